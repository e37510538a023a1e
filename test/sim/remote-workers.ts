/**
 * Workers that carry out remote tools, in a world of faults: they lease calls, die, are cut off, come back late, say things
 * twice, fail, and report how far they are. What they must never see: two results of one call.
 *
 * Does not own: the object and its crashes (world.ts), which carries out what they ask and may not answer.
 */

import { leaseMs } from "../../src/limits.ts";
import type { Decided } from "../../src/scheduler/events.ts";
import {
  beginRemoteCall,
  endCall,
  failCall,
  type Leased,
  leasedCall,
  nextCall,
  reportProgress,
  startCall,
} from "../../src/scheduler/remote-calls.ts";
import type { RunState } from "../../src/scheduler/state.ts";
import type { Step } from "../../src/scheduler/step.ts";
import type { Task } from "../../src/scheduler/task.ts";
import type { Random } from "./random.ts";

const second = 1000;
const pools = ["box", "laptop", ""] as const;
const tools = ["shell", "read", "fetch"] as const;

/** A worker's hold on a call, as far as it knows. */
interface Held {
  readonly seq: number;
  readonly fence: number;
  readonly task: number;
  readonly hosted: boolean;
}

/** A command of the object; undefined when it crashed and nobody hears what came of it. */
export type Command = <T>(decide: (step: Step) => T) => T | undefined;

export function beginCall(step: Step, random: Random, task: Task, id: string) {
  const call = {
    id,
    tool: random.pick(tools)!,
    pool: random.pick(pools)!,
    timeoutMs: random.int(5, 900) * second,
    retryLimit: random.int(0, 3),
    arguments: "{}",
  };
  return beginRemoteCall(step, task, call);
}

export class RemoteWorkers {
  #held: Held[] = [];
  readonly #random: Random;
  readonly #history: RemoteHistory;

  constructor(random: Random, history: RemoteHistory) {
    this.#random = random;
    this.#history = history;
  }

  /** One thing that a worker does. */
  act(command: Command, boot: string): void {
    const random = this.#random;
    const what = random.weighted({ lease: 30, complete: 25, fail: 10, renew: 15, progress: 8, die: 4, twice: 4 });
    if (what === "lease") {
      this.lease(command, random.pick(pools)!, boot, random.chance(0.3) ? [random.pick(tools)!] : undefined);
      return;
    }
    const held = random.pick(this.#held);
    if (!held) return;
    if (what === "die") this.#drop(held);
    else if (what === "renew") command((step) => renew(step.state, held, step.now));
    else if (what === "progress") {
      command((step) => this.#by(step, held, (found) => reportProgress(step, found, { fraction: 0.5 })));
    } else if (what === "fail") {
      const fault = random.chance(0.7) ? ("endpoint_busy" as const) : ("endpoint_refused" as const);
      const failure = { fault, retryAfterMs: random.int(0, 60) * second };
      command((step) =>
        this.#by(step, held, (found) => failCall(step, found, { error: { code: "busy", message: "" }, ...failure })),
      );
      this.#drop(held);
    } else {
      this.#complete(command, held);
      // A network that says it twice, or a worker that has not heard the answer.
      if (what === "twice") this.#complete(command, held);
      if (!random.chance(0.1)) this.#drop(held);
    }
  }

  /** The best that workers can do: every call that may start is carried out. Answers whether there was any. */
  serve(command: Command, boot: string): boolean {
    let served = false;
    for (const pool of pools) {
      for (let held = this.lease(command, pool, boot); held; held = this.lease(command, pool, boot)) {
        this.#complete(command, held);
        this.#drop(held);
        served = true;
      }
    }
    for (const held of this.#held.splice(0)) this.#complete(command, held);
    return served;
  }

  lease(command: Command, pool: string, boot: string, of?: readonly string[]): Held | undefined {
    const hosted = pool === "";
    let held: Held | undefined;
    command((step) => {
      const next = nextCall(step.state, pool, step.now, of);
      if (!next) return;
      if (of && !of.includes(next.call.remote.tool)) throw new Error("[M2] a call of another tool");
      const fence = startCall(step, next, `t-${pool}`, hosted ? boot : "");
      held = { seq: next.call.seq, fence, task: next.task.n, hosted };
    });
    // Where the object crashed before it logged the lease, this worker is a zombie from the start.
    if (held) this.#held.push(held);
    return held;
  }

  /** The runtime goes, and most of what lives in it. */
  restart(): void {
    this.#held = this.#held.filter(({ hosted }) => !hosted || this.#random.chance(0.2));
  }

  /** Time passes; those that can reach the object renew. */
  renewAll(state: RunState, now: number, faults: boolean): void {
    for (const held of this.#held) if (!faults || this.#random.chance(0.7)) renew(state, held, now);
  }

  #complete(command: Command, held: Held): void {
    command((step) =>
      this.#by(step, held, (found) => endCall(step, found, { kind: "result", result: held.fence, isError: false })),
    );
  }

  #by(step: Step, { seq, fence, task }: Held, act: (found: Leased) => void): void {
    const found = leasedCall(step.state, seq, fence);
    if (found && this.#history.fenceOf(task, found.call.id) !== fence)
      throw new Error(`[M3] a late worker acts, fence ${fence}`);
    if (found) act(found);
    else step.emit({ type: "late_refused", task, fence, op: "tool_call" });
  }

  #drop(held: Held): void {
    this.#held = this.#held.filter((one) => one !== held);
  }
}

function renew(state: RunState, { seq, fence }: Held, now: number): void {
  const phase = leasedCall(state, seq, fence)?.call.remote.phase;
  if (phase && phase.expiresAt > now) phase.expiresAt = now + leaseMs;
}

/** What the log must say of remote calls, told from its events alone. */
export class RemoteHistory {
  /** Open calls of each party, and the fence of the lease that each has. */
  readonly #open = new Map<number, Map<string, number | undefined>>();
  #lastFence = 0;

  get size(): number {
    return [...this.#open.values()].reduce((sum, calls) => sum + calls.size, 0);
  }

  /** The open lease of a call, by its fence. */
  fenceOf(task: number, call: string): number | undefined {
    return this.#open.get(task)?.get(call);
  }

  add({ seq, event }: Decided): void {
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what}, at ${JSON.stringify({ seq, event })}`);
    };
    if (event.type === "task_started" || event.type === "tool_call_started") {
      must(event.fence > this.#lastFence, "[M3] fences rise over tasks and calls");
      this.#lastFence = event.fence;
    }
    switch (event.type) {
      case "call_waiting": {
        if (!event.remote) return;
        const calls = this.#open.get(event.task) ?? new Map<string, number | undefined>();
        must(!calls.has(event.call), "[M1] a call begins once");
        this.#open.set(event.task, calls.set(event.call, undefined));
        return;
      }
      case "tool_call_started": {
        const calls = this.#open.get(event.task);
        must(calls?.has(event.call) === true, "[M3] only an open call is leased");
        must(calls?.get(event.call) === undefined, "[M3] one open lease a call");
        calls?.set(event.call, event.fence);
        return;
      }
      case "tool_call_progress":
        must(this.#open.get(event.task)?.get(event.call) === event.fence, "[M10] only the open lease tells");
        return;
      case "tool_call_attempt_ended":
        must(this.#open.get(event.task)?.get(event.call) === event.fence, "[M3] only the open lease ends");
        this.#open.get(event.task)?.set(event.call, undefined);
        return;
      case "call_done":
        this.#open.get(event.task)?.delete(event.call);
        return;
      case "turn":
      case "task_ended":
      case "task_fell_back":
        this.#open.delete(event.task);
        return;
      case "task_parked":
        if (event.on === "children") this.#open.delete(event.task);
        return;
      case "actor_ended":
        this.#open.delete(event.actor);
        return;
      default:
    }
  }
}
