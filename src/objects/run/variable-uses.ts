/**
 * What the run's log is owed of ops on variables that hold data: their objects answer after the commit that called them, so what
 * they answer waits here for the run's next event.
 *
 * U1. They cost no row: whoever used a variable logs something before long. They get a row of their own where a lease is renewed
 *     before (so a long model call takes none of them along), where somebody reads the log, and where very many wait. A timer would
 *     make a row for most turns with an op, and keep the object in memory.
 * U2. A use is taken while its caller waits for the answer, and never later: so it stands in the log after all that the caller did
 *     before, and before all that it does then. Who has lost the lease meanwhile has the op repeated by the next attempt.
 * U3. Nothing is there twice: an op that is repeated gets its first answer, which is no use, also where that never came. What waits is
 *     lost with the object's memory: the first event of each life of the object says so (`gap`), and whoever looks for races draws no
 *     line across it. A write that is missing without that hides races; an atomic's is known to be missing by its version.
 */

import { digestOf, noDigest } from "../../context/line-digest.ts";
import { usedKeyCharsMax, usesPerEventMax, usesWaitingMax } from "../../limits.ts";
import { isLiveActor } from "../../scheduler/actors.ts";
import { leased } from "../../scheduler/attempts.ts";
import type { SchedulerEvent, VariableUse } from "../../scheduler/events.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Json } from "../../variables/kind.ts";
import type { VariableCall } from "../../variables/ops.ts";
import type { CarriedOut } from "../variable-rpc.ts";
import type { LeasedTask } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";

/** Who called: a task in its lease, a session, or somebody outside. */
export type UsedBy =
  | { readonly task: number; readonly fence: number; readonly turn: number }
  | { readonly session: number }
  | "outside";

export const usedByTask = (task: LeasedTask): UsedBy => ({
  task: task.n,
  fence: task.phase.fence,
  turn: task.turns,
});

export class VariableUses {
  readonly #run: () => LoadedRun | undefined;
  readonly #write: () => void;
  #waiting: VariableUse[] = [];
  /** Where reads that nothing was written after stand in `#waiting`, by what a repeated one has in common with them. */
  readonly #reads = new Map<string, number>();
  /** Of those that wait, how many are in the step under way. */
  #taken = 0;
  #mayMiss = true;

  /** `write` makes a step of what is owed, and of nothing else. */
  constructor(run: () => LoadedRun | undefined, write: () => void) {
    this.#run = run;
    this.#write = write;
  }

  /** An op that its variable has answered just now (U2). */
  add(by: UsedBy, call: VariableCall, done: CarriedOut, ms: number): void {
    const use = useOf(call, done);
    if (use) this.#add(by, use, ms);
  }

  /** The value of an atomic was looked at: which version it was is not known. */
  looked(by: UsedBy, name: string, ms: number): void {
    this.#add(by, { name, op: "inspect" }, ms);
  }

  #add(by: UsedBy, use: VariableUse, took: number): void {
    const run = this.#run();
    if (!run || isRunEnded(run.state) || !waits(run, by)) return;
    const one = { ...partyOf(by), ...use };
    const read = use.made === undefined ? JSON.stringify(one) : undefined;
    const at = read === undefined ? undefined : this.#reads.get(read);
    const known = at === undefined ? undefined : this.#waiting[at]!;
    const ms = took + (known?.ms ?? 0);
    const sum = { ...one, ...(known && { times: (known.times ?? 1) + 1 }), ...(ms > 0 && { ms }) };
    if (at !== undefined) this.#waiting[at] = sum;
    else this.#waiting.push(sum);
    if (read === undefined) this.#reads.clear();
    else this.#reads.set(read, at ?? this.#waiting.length - 1);
    if (this.#waiting.length >= usesWaitingMax) this.write();
  }

  /** In a row of their own, if there are any. Never throws. */
  write(): void {
    if (this.#waiting.length === 0) return;
    try {
      this.#write();
    } catch (error) {
      // Nobody waits for it. What broke has dropped the run's memory, and the next command comes upon it too.
      console.error("uses of variables were not logged", String(error));
      if (this.#waiting.length >= usesWaitingMax) this.forget();
    }
  }

  /** The events that the log is owed, for a step that begins. They are owed until `logged`. */
  owed(): () => readonly SchedulerEvent[] {
    this.#taken = 0;
    return () => this.#take();
  }

  #take(): SchedulerEvent[] {
    this.#taken = this.#waiting.length;
    const events: SchedulerEvent[] = [];
    for (let from = 0; from < this.#taken; from += usesPerEventMax)
      events.push({
        type: "variables_used",
        uses: this.#waiting.slice(from, from + usesPerEventMax),
        ...(from === 0 && this.#mayMiss && { gap: true }),
      });
    return events;
  }

  /** The step that took them, if it did, is written. */
  logged(): void {
    if (this.#taken === 0) return;
    this.#waiting = this.#waiting.slice(this.#taken);
    this.#taken = 0;
    this.#mayMiss = false;
    this.#reads.clear();
  }

  /** What waits is lost. */
  forget(): void {
    this.#waiting = [];
    this.#taken = 0;
    this.#mayMiss = true;
    this.#reads.clear();
  }
}

/** Whether the caller is still there, where it was when it called. */
function waits({ state }: LoadedRun, by: UsedBy): boolean {
  if (by === "outside") return true;
  if ("session" in by) return isLiveActor(state.find(by.session));
  return leased(state, by.task, by.fence)?.turns === by.turn;
}

function partyOf(by: UsedBy): { task?: number; turn?: number } {
  if (by === "outside") return {};
  if ("session" in by) return { task: by.session };
  return { task: by.task, ...(by.turn > 0 && { turn: by.turn }) };
}

/** Undefined: nobody can have acted on it, or it was told before. */
function useOf({ name, op }: VariableCall, { answer, versions }: CarriedOut): VariableUse | undefined {
  if (!versions) return undefined;
  const isError = "error" in answer;
  // Of refusals only one shows something: what version there is.
  if (isError && answer.error.code !== "version_mismatch") return undefined;
  const checked = isError || ("if_version" in op && op.if_version !== undefined);
  return {
    name,
    op: op.op,
    ...placeOf(op, "result" in answer ? answer.result : null),
    ...versions,
    ...(checked && { checked }),
  };
}

type Place = Pick<VariableUse, "key" | "prefix" | "from" | "to">;

function placeOf(op: VariableCall["op"], result: Json): Place {
  const shown = (result ?? {}) as { readonly [field: string]: Json };
  switch (op.op) {
    case "entries": {
      const to = shown.next_cursor;
      return {
        ...(op.prefix && { prefix: cut(op.prefix) }),
        ...(op.cursor !== undefined && { from: cut(op.cursor) }),
        ...(typeof to === "string" && { to: cut(to) }),
      };
    }
    case "slice": {
      const { start, items } = shown as { start: number; items: readonly Json[] };
      return { from: start, to: start + items.length };
    }
    case "append":
      return "items" in op ? { from: shown.index as number, to: shown.size as number } : {};
    default:
      if ("key" in op) return { key: cut(op.key) };
      return "index" in op ? { key: op.index } : {};
  }
}

/** Two keys that are cut stay two keys. */
const cut = (key: string): string =>
  key.length <= usedKeyCharsMax ? key : `${key.slice(0, usedKeyCharsMax)}…${digestOf(noDigest, key).slice(0, 16)}`;
