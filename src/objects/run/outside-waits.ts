/**
 * Since when the agent outside waits in `await_tasks`: its `timeout_ms` counts from then, however often it asks again and whatever becomes
 * of this object's memory, which a deployment's loses between two polls.
 */

import { callPrint } from "../../context/call-fingerprint.ts";
import type { MessageText } from "../../context/types.ts";
import { idempotencyMs, outsideWaitToldMs } from "../../limits.ts";
import type { RunStore } from "../../storage/run/run-store.ts";
import type { Idem, ToolCallInput } from "../rpc.ts";

const idForm = /^call_([0-9a-z]{8,9})_([0-9a-f]{12})_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const printOf = (input: ToolCallInput): string => callPrint(input.tool, input.arguments);

/** An id for a call that came without one. It tells when that was and which call it is, so no record of either is needed. */
export const newCallId = (at: number, input: ToolCallInput): string =>
  `call_${at.toString(36)}_${printOf(input)}_${crypto.randomUUID()}`;

/** When the call with this id of ours came, and whether this is that call; undefined for a caller's own id, or none. */
export function toldByNew(input: ToolCallInput): { readonly at: number; readonly isSame: boolean } | undefined {
  const [, time, print] = idForm.exec(input.callId ?? "") ?? [];
  return time === undefined ? undefined : { at: Number.parseInt(time, 36), isSame: print === printOf(input) };
}

/** What enters the context with this request: the messages of a call with an id of ours came before it had that. */
export const enteringWith = (input: ToolCallInput): readonly MessageText[] =>
  toldByNew(input) ? [] : (input.messages ?? []);

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
