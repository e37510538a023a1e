/**
 * Since when the agent outside waits in `await_tasks`: its `timeout_ms` counts from then, however often it asks again and whatever becomes
 * of this object's memory, which a deployment's loses between two polls.
 */

import { idempotencyMs, outsideWaitToldMs } from "../../limits.ts";
import type { RunStore } from "../../storage/run/run-store.ts";
import type { Idem } from "../rpc.ts";

const idForm = /^call_([0-9a-z]{8,9})_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An id for a call that came without one. It tells when that was, so no record of it is needed. */
export const newCallId = (at: number): string => `call_${at.toString(36)}_${crypto.randomUUID()}`;

/** When the call with this id of ours came; undefined for a caller's own. */
export function timeOfNew(callId: string): number | undefined {
  const time = idForm.exec(callId)?.[1];
  return time === undefined ? undefined : Number.parseInt(time, 36);
}

interface Kept {
  readonly begunAt: number;
  /** When its row was written: it is dropped with other answers, a day later. */
  readonly keptAt: number;
  /** When it was first answered that its time is over. */
  readonly toldAt?: number;
}

/**
 * A wait by its caller's own name, which has a row while it waits. One that gave up is known for a while longer, since its answer may have been
 * lost; not for good, since callers of models that number their calls from 0 in each reply ask for another wait by the same name.
 */
export class NamedWait {
  readonly #store: RunStore;
  readonly #key: string;

  constructor(store: RunStore, { key, fingerprint }: Idem) {
    this.#store = store;
    this.#key = `await:${key} ${fingerprint}`;
  }

  /** When it was first asked for. */
  begunAt(now: number): number {
    const known = this.#find(now);
    if (known && now - known.keptAt < idempotencyMs / 2) return known.begunAt;
    const { begunAt } = known ?? { begunAt: now };
    this.#put({ ...known, begunAt, keptAt: now });
    return begunAt;
  }

  /** Its time is over, and it is told so: for the first time, or again. */
  gaveUp(now: number): void {
    const known = this.#find(now);
    if (known && known.toldAt === undefined) this.#put({ ...known, keptAt: now, toldAt: now });
  }

  /** It has what it waited for: from now on that is there to be seen. */
  ended(): void {
    if (this.#store.outcome(this.#key)) this.#store.dropOutcome(this.#key);
  }

  #find(now: number): Kept | undefined {
    const row = this.#store.outcome(this.#key);
    const kept = row && (JSON.parse(row.value) as Kept);
    return kept && now < (kept.toldAt ?? now) + outsideWaitToldMs ? kept : undefined;
  }

  #put(kept: Kept): void {
    this.ended();
    this.#store.putOutcome({ key: this.#key, fingerprint: "" }, JSON.stringify(kept), kept.keptAt);
  }
}
