/** Since when the agent outside waits in `await_tasks`, by the names that it asks again with. */

import { outsideWaitsBytes, outsideWaitToldMs } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Idem } from "../rpc.ts";

interface OutsideWait {
  readonly begunAt: number;
  /** When it was first answered that its time is over. */
  toldAt?: number;
}

const idForm = /^call_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An id for a call that came without one. */
export const newCallId = (): string => `call_${crypto.randomUUID()}`;

/** What a call with such an id is known by, wherever the head has gone in between; undefined for a provider's, which come again. */
export const nameOfNew = (callId: string): Idem | undefined =>
  idForm.test(callId) ? { key: callId, fingerprint: "" } : undefined;

const nameOf = ({ key, fingerprint }: Idem): string => `${key} ${fingerprint}`;

/**
 * Waits with a `timeout_ms`, in memory: a restart forgets them, and the time of those that ask again begins anew. One that gave up is
 * known for a while longer, since its answer may have been lost; not for good, since callers of models that number their calls from 0 in
 * each reply ask for another wait by the same name.
 */
export class OutsideWaits {
  readonly #waits = new Lru<string, OutsideWait>(outsideWaitsBytes);

  /** When a wait of any of these names was first asked for, which are all its names from now on. */
  begunAt(names: readonly Idem[], now: number): number {
    const wait = this.#find(names, now) ?? { begunAt: now };
    for (const name of names.map(nameOf)) this.#waits.set(name, wait, name.length);
    return wait.begunAt;
  }

  /** Its time is over, and it is told so: for the first time, or again. */
  gaveUp(names: readonly Idem[], now: number): void {
    const wait = this.#find(names, now);
    if (wait) wait.toldAt ??= now;
  }

  /** It has what it waited for: from now on that is there to be seen. */
  ended(names: readonly Idem[]): void {
    for (const name of names) this.#waits.delete(nameOf(name));
  }

  #find(names: readonly Idem[], now: number): OutsideWait | undefined {
    return names
      .map((name) => this.#waits.get(nameOf(name)))
      .find((wait) => wait && now < (wait.toldAt ?? now) + outsideWaitToldMs);
  }
}
