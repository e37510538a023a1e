/** A command's stdout as a task's result (contract, DESIGN §4). */

/** JSON if all of it is an object or array, else text without its last newline. */
export function resultOf(stdout: string): unknown {
  const first = /^\s*([{[])/.exec(stdout);
  if (first) {
    try {
      return JSON.parse(stdout);
    } catch {
      // Text that begins like JSON is text.
    }
  }
  return stdout.replace(/\r?\n$/, "");
}

/** Bytes of the result as JSON, which is what its limit counts. */
export const resultBytes = (result: unknown): number => Buffer.byteLength(JSON.stringify(result));
