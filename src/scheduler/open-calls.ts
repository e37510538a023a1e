/**
 * The calls of remote tools that have no result yet, as an index over their callers' calls: which are ready, in which pool,
 * for which tool. Changed by `apply` alone; rebuilt from a checkpoint's tasks.
 */

import { compareReady, type ReadyKey, ReadyQueue } from "./ready-queue.ts";
import type { Call, RemoteCall, Task, WaitingCall } from "./task.ts";

/** A call that waits for the result of a remote tool. */
export type OpenCall = WaitingCall & { readonly remote: RemoteCall };

export const isOpenCall = (call: Call): call is OpenCall => call.state === "waiting" && call.remote !== undefined;

/** Its place in the order of ready work: that of its caller, who has begun and waits for it. */
export function readyKeyOfCall(task: Task, { remote: { phase } }: OpenCall): ReadyKey | undefined {
  if (phase.state !== "ready") return undefined;
  return { effective: task.effective, since: phase.since, resumed: true, chain: task.chain, seq: phase.seq };
}

interface Place {
  readonly task: number;
  readonly id: string;
  readonly pool: string;
  readonly tool: string;
  readonly key: ReadyKey | undefined;
  readonly running: boolean;
}

export class OpenCalls {
  /** By the number of the event that began the call. */
  readonly #places = new Map<number, Place>();
  readonly #ready = new Map<string, Map<string, ReadyQueue>>();
  /** Calls of urls that seats carry out at present. */
  urlsRunning = 0;

  get size(): number {
    return this.#places.size;
  }

  find(seq: number): { readonly task: number; readonly id: string } | undefined {
    return this.#places.get(seq);
  }

  /** Takes a call in, or over when it has changed. */
  put(task: Task, call: OpenCall): void {
    this.remove(call.seq);
    const { tool, pool, phase } = call.remote;
    const key = readyKeyOfCall(task, call);
    const place = { task: task.n, id: call.id, pool, tool, key, running: phase.state === "running" };
    this.#places.set(call.seq, place);
    if (key) this.#queue(pool, tool).put(call.seq, key);
    if (place.running && pool === "") this.urlsRunning++;
  }

  remove(seq: number): void {
    const place = this.#places.get(seq);
    if (!place) return;
    this.#places.delete(seq);
    if (place.key) this.#queue(place.pool, place.tool).remove(seq, place.key.seq);
    if (place.running && place.pool === "") this.urlsRunning--;
  }

  /** Of a checkpoint's task. */
  index(task: Task): void {
    for (const call of task.calls) if (isOpenCall(call)) this.put(task, call);
  }

  /** The call that goes first in a pool, of these tools or of any. */
  first(pool: string, now: number, tools?: readonly string[]): { seq: number; key: ReadyKey } | undefined {
    let best: { seq: number; key: ReadyKey } | undefined;
    for (const [tool, queue] of this.#ready.get(pool) ?? []) {
      const seq = tools && !tools.includes(tool) ? undefined : queue.peek(now);
      const key = seq === undefined ? undefined : this.#places.get(seq)!.key!;
      if (seq !== undefined && key && (!best || compareReady(key, best.key, now) < 0)) best = { seq, key };
    }
    return best;
  }

  /** How many are ready, by pool and tool; with those that there were once. */
  *lanes(): Generator<{ readonly pool: string; readonly tool: string; readonly ready: number }> {
    for (const [pool, tools] of this.#ready) for (const [tool, queue] of tools) yield { pool, tool, ready: queue.size };
  }

  readyIn(pool: string): number {
    let count = 0;
    for (const queue of this.#ready.get(pool)?.values() ?? []) count += queue.size;
    return count;
  }

  #queue(pool: string, tool: string): ReadyQueue {
    let tools = this.#ready.get(pool);
    if (!tools) {
      tools = new Map();
      this.#ready.set(pool, tools);
    }
    let queue = tools.get(tool);
    if (!queue) {
      queue = new ReadyQueue();
      tools.set(tool, queue);
    }
    return queue;
  }
}
