/** A bullet's text as tokens. Total: what is nothing else is a sign of one character. */

export interface Token {
  readonly kind: "word" | "number" | "name" | "sign";
  /** Words in small letters, names without their quotes, numbers as they are written. */
  readonly text: string;
  /** As it stands in the bullet. */
  readonly raw: string;
}

/** Closing quotes by opening ones. Names in backticks are names, too. */
const quotes: Readonly<Record<string, string>> = {
  '"': '"',
  "“": "”",
  "„": "“",
  "«": "»",
  "'": "'",
  "‘": "’",
  "`": "`",
};

const space = /^\s+/u;
/** Digits with what may stand between them; whether that is a number, `values.ts` says. */
const digits = /^\d(?:[\d_'’]|[.,](?=\d))*/u;
const letters = /^\p{L}[\p{L}\p{N}_-]*/u;
const comparison = /^(?:>=|=>|<=|=<|[<>≥≤])/u;

/** Stars of Markdown's emphasis are passed over; so are full stops at the end. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let rest = text.replace(/[\s.]+$/u, "");
  for (;;) {
    rest = rest.replace(space, "");
    if (rest === "") return tokens;
    const token = name(rest) ?? found("number", digits, rest) ?? found("word", letters, rest);
    const next = token ?? found("sign", comparison, rest) ?? { kind: "sign", text: firstOf(rest), raw: firstOf(rest) };
    if (next.raw !== "*") tokens.push(next);
    rest = rest.slice(next.raw.length);
  }
}

const firstOf = (text: string): string => String.fromCodePoint(text.codePointAt(0)!);

function found(kind: Token["kind"], pattern: RegExp, rest: string): Token | undefined {
  const raw = pattern.exec(rest)?.[0];
  return raw === undefined ? undefined : { kind, text: raw.toLowerCase(), raw };
}

/** A quoted text; a backslash takes the next character as it is. Undefined where nothing closes it. */
function name(rest: string): Token | undefined {
  const end = quotes[firstOf(rest)];
  if (end === undefined) return undefined;
  let text = "";
  for (let at = 1; at < rest.length; at++) {
    if (rest[at] === end) return { kind: "name", text, raw: rest.slice(0, at + 1) };
    if (rest[at] === "\\" && at + 1 < rest.length) at++;
    text += rest[at];
  }
  return undefined;
}

/** A name as rules are printed. */
export const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
