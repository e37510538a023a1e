/** Why an address gave no answer, in words for whoever set it: of a webhook, a tool, a collector, a server. */

/** Of some failures the runtime says only that they are its own; locally that is so of a host that there is not. */
const unnamed = /^internal error; reference = /;

/** `it could not be reached: …`, of what `fetch` was rejected with. It may repeat the address. */
export function unreachedText(error: unknown): string {
  const message = (error instanceof Error && error.message) || String(error);
  return `it could not be reached: ${unnamed.test(message) ? `is there such a host, and does it take connections? (${message})` : message}`;
}
