/** How everybody outside calls: with a time limit, again after an error, and under the same key, so that a repeat is none. */

import type { Idem, Reply } from "../../../src/objects/rpc.ts";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Rejects when `work` takes longer. */
export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer in time")), ms);
    const settled = () => clearTimeout(timer);
    work.then(resolve, reject).finally(settled);
  });
}

/** Sends until it is answered, `tries` times at most; undefined: it may have been carried out, or not. */
export async function persist<T>(
  send: () => Promise<Reply<T>>,
  { tries = 4, timeoutMs = 20_000, everyMs = 500 } = {},
): Promise<Reply<T> | undefined> {
  for (let n = 1; n <= tries; n++) {
    try {
      const reply = await within(timeoutMs, send());
      if (reply.ok || reply.fault.code !== "overloaded") return reply;
    } catch {
      // Lost, late, or the object broke off: nobody knows.
    }
    await sleep(everyMs * n);
  }
  return undefined;
}

export const idemOf = (key: string): Idem => ({ key: `key ${key}`, fingerprint: key });
