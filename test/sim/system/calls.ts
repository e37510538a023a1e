/** How everybody outside calls: with a time limit, again after an error, and under the same key, so that a repeat is none. */

import type { Idem, Reply } from "../../../src/objects/rpc.ts";
import type { Random } from "../random.ts";

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

/** Who may not have heard, and says again what was answered. */
export interface Doubter {
  readonly random: Random;
  /** There are such in this world. */
  readonly doubts: boolean;
  readonly fail: (error: unknown) => void;
}

/**
 * As `persist`, of a call that has a name. E3: who says it again, however late, gets the answer that he had; `over` are codes of
 * problems that say that what it was said to is gone. He goes on meanwhile where he does not `wait`.
 */
export async function persistNamed<T>(
  { random, doubts, fail }: Doubter,
  what: string,
  send: () => Promise<Reply<T>>,
  { over = [], waits = false }: { readonly over?: readonly string[]; readonly waits?: boolean } = {},
): Promise<Reply<T> | undefined> {
  const first = await persist(send);
  if (!doubts || !first?.ok || isPending(first.value) || !random.chance(0.2)) return first;
  const sayAgain = async () => {
    await sleep(random.int(0, 15_000));
    const again = await persist(send);
    if (!again || (!again.ok && ["not_found", ...over].includes(again.fault.code))) return;
    const [had, has] = [toldBy(first), toldBy(again)];
    if (has !== had) throw new Error(`[E3] ${what}: ${had}, and when it was said again ${has}`);
  };
  const said = sayAgain();
  if (waits) await said;
  else said.catch(fail);
  return first;
}

/** Of an error who holds what is told as it is now. */
const toldBy = (reply: Reply<unknown>): string =>
  JSON.stringify(reply.ok ? reply.value : reply.fault, (key, value) => (key === "holders" ? undefined : value));

const isPending = (value: unknown): boolean => typeof value === "object" && value !== null && "pending" in value;

export const idemOf = (key: string): Idem => ({ key: `key ${key}`, fingerprint: key });
