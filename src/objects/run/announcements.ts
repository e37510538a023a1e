/**
 * What a run tells its tenant's gate: which pools of pull workers have something to lease here, and which tools' calls.
 *
 * N1. Calls may overtake one another, so of each lane the gate is told by one at a time; what has changed meanwhile is told after it.
 * N2. With each sweep everything is told again: a word of an earlier life of the object may have come late.
 */

import { nextReady } from "../../scheduler/attempts.ts";
import { mayStartCalls, urlPool } from "../../scheduler/remote-calls.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import { hostedPool } from "../../scheduler/task.ts";
import { laneOf } from "../lanes.ts";
import type { LeaseWishes, TenantGateRpc } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

interface Lane {
  readonly pool: string;
  readonly tool?: string;
}

interface Around {
  readonly gate: (run: LoadedRun) => TenantGateRpc;
  readonly isCurrent: (run: LoadedRun) => boolean;
  readonly now: () => number;
  /** Sees to it that `announce` comes again when the word fails, and calls `forget` before. */
  readonly repeatable: (word: Promise<unknown>, forget: () => void) => void;
  /** The gate did not know what it had been told of. */
  readonly wasForgotten: (lane: Lane) => void;
}

export class Announcements {
  readonly #around: Around;
  #announced = new Map<string, boolean>();
  readonly #telling = new Set<string>();
  /** Lanes that the gate had been told of as ready before everything was to be told again (N2): it should know. */
  readonly #known = new Set<string>();

  constructor(around: Around) {
    this.#around = around;
  }

  /** Tells what has changed. */
  announce(run: LoadedRun): void {
    const now = this.#around.now();
    for (const pool of run.state.ready.keys()) {
      if (pool !== hostedPool) this.#tell(run, { pool }, nextReady(run.state, pool, now) !== undefined);
    }
    const mayStart = mayStartCalls(run.state);
    for (const { pool, tool, ready } of run.state.openCalls.lanes()) {
      if (pool !== urlPool) this.#tell(run, { pool, tool }, mayStart && ready > 0);
    }
    // Perhaps no worker asks any more, whose empty answer would take the run off.
    if (isRunEnded(run.state)) for (const lane of lanesOf(run)) this.#tell(run, lane, false);
  }

  #tell(run: LoadedRun, { pool, tool }: Lane, ready: boolean): void {
    const lane = laneOf(pool, tool);
    // An object that was loaded anew does not know what it has announced; it matters when nothing follows.
    const announced = this.#announced.get(lane) ?? isRunEnded(run.state);
    if (announced === ready || this.#telling.has(lane)) return;
    this.#announced.set(lane, ready);
    this.#telling.add(lane);
    const told = this.#around
      .gate(run)
      .announce({
        run: run.id,
        pool,
        ...(tool && { tool }),
        ready,
        ...((run.state.book?.loadRules(pool).length ?? 0) > 0 && { loads: true as const }),
      })
      .then((isNews) => {
        const wasKnown = this.#known.delete(lane);
        if (wasKnown && isNews && ready && this.#around.isCurrent(run))
          this.#around.wasForgotten({ pool, ...(tool && { tool }) });
      })
      .finally(() => {
        this.#telling.delete(lane);
        if (this.#around.isCurrent(run)) this.announce(run);
      });
    this.#around.repeatable(told, () => this.#announced.delete(lane));
  }

  /** Everything is told again with the next command (N2). */
  anew(): void {
    this.#known.clear();
    for (const [lane, ready] of this.#announced) if (ready && !this.#telling.has(lane)) this.#known.add(lane);
    this.#announced.clear();
  }

  /** The gate was told by an empty answer that nothing of this is ready: the next that is must be announced again. */
  wasEmpty(run: LoadedRun | undefined, { pool, kinds = ["task"], tools }: { readonly pool: string } & LeaseWishes) {
    if (kinds.includes("task")) this.#isEmpty(pool);
    if (!kinds.includes("tool_call")) return;
    for (const lane of run?.state.openCalls.lanes() ?? []) {
      if (lane.pool === pool && (!tools || tools.includes(lane.tool))) this.#isEmpty(laneOf(pool, lane.tool));
    }
  }

  #isEmpty(lane: string): void {
    this.#announced.set(lane, false);
    this.#known.delete(lane);
  }

  /** Of another run, or none. */
  clear(): void {
    this.#announced.clear();
    this.#known.clear();
  }
}

/** The lanes that the run may have announced, as far as its queues, limits and tools tell. */
function lanesOf({ state, tools }: LoadedRun): Lane[] {
  const pools = new Set([...state.ready.keys(), ...state.header.limits.pools]);
  pools.delete(hostedPool);
  const calls = [...tools.values()].flatMap(({ pool, name }) => (pool === undefined ? [] : [{ pool, tool: name }]));
  return [...Array.from(pools, (pool) => ({ pool })), ...calls];
}
