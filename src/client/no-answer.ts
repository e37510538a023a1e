/**
 * Why there was no answer, from what `fetch` threw. Node's says it in its cause, as a code; browsers and Workers say nothing, so that
 * what they throw may always pass.
 */

/** What is wrong with the address, and not with the moment: a repeat finds the same. */
const lasting: readonly (readonly [RegExp, string])[] = [
  [/^ENOTFOUND$/, "there is no host of that name"],
  [/^ERR_SSL_|^EPROTO$/, "what listens there does not speak TLS as https asks for it"],
  [/^CERT_|^ERR_TLS_|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY)/, "its certificate is not trusted"],
];
const badPort = "bad port";

/** Whether it will be so again until somebody changes the address, or what stands there. */
export const isLasting = (error: unknown): boolean => {
  const { code, message } = innermost(error);
  return message === badPort || lasting.some(([pattern]) => pattern.test(code));
};

/** `fetch failed` alone helps nobody. */
export function reasonOf(error: unknown): string {
  const { code, message } = innermost(error);
  if (message === badPort) return "no fetch goes to this port";
  const known = lasting.find(([pattern]) => pattern.test(code));
  return known ? `${known[1]} (${code})` : message;
}

/** The reason is in the error's cause, or in the parts of that. */
function innermost(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const parts = error instanceof AggregateError ? error.errors : [];
  const inner = parts[0] ?? error.cause;
  if (inner instanceof Error) return innermost(inner);
  const { code } = error as { code?: unknown };
  return { code: typeof code === "string" ? code : "", message: error.message || error.name };
}
