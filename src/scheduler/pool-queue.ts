/**
 * The ready tasks of one pool. Without rules about labels that is one queue; with some, tasks that the same of them are about
 * stand in a lane of their own, and a lane whose labels have all the workers that they may is passed over.
 *
 * L1. The first is the first in the ready order of those lanes that have room: tasks of other labels go on past a full one.
 * L2. Cost: one queue where no rule names a label; else one comparison a lane.
 */

import type { ReadyClass } from "./ready-class.ts";
import { compareReady, type ReadyKey, ReadyQueue } from "./ready-queue.ts";

/** Which labels of the rules a task has, by their places among them; below zero: which model it is for (availability.ts). */
export type Labels = readonly number[];

interface Lane {
  readonly labels: Labels;
  readonly queue: ReadyQueue;
}

/** How many more tasks with all of these labels may work. */
export type RoomOf = (labels: Labels) => number;

const none: Labels = [];
const everywhere: RoomOf = () => Number.POSITIVE_INFINITY;

export class PoolQueue {
  readonly #lanes = new Map<string, Lane>();

  get size(): number {
    let size = 0;
    for (const { queue } of this.#lanes.values()) size += queue.size;
    return size;
  }

  has(n: number): boolean {
    for (const { queue } of this.#lanes.values()) if (queue.has(n)) return true;
    return false;
  }

  put(n: number, key: ReadyKey, labels: Labels = none): void {
    const name = labels.join();
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { labels, queue: new ReadyQueue() };
      this.#lanes.set(name, lane);
    }
    lane.queue.put(n, key);
  }

  remove(n: number, seq: number): void {
    for (const { queue } of this.#lanes.values()) queue.remove(n, seq);
  }

  /** The rules' labels are others now: every task is put anew. */
  clear(): void {
    this.#lanes.clear();
  }

  peek(now: number, room: RoomOf = everywhere): number | undefined {
    let best: ReadyClass | undefined;
    for (const { labels, queue } of this.#lanes.values()) {
      if (queue.size === 0 || room(labels) <= 0) continue;
      const head = queue.head(now);
      if (head && (!best || compareReady(head, best, now) < 0)) best = head;
    }
    return best?.first;
  }

  /** The lanes in which somebody is ready, and how many. */
  *waiting(): Generator<readonly [labels: Labels, count: number]> {
    for (const { labels, queue } of this.#lanes.values()) if (queue.size > 0) yield [labels, queue.size];
  }

  /** At most so many could start if nothing but `room` held them back. Never 0 while one can. */
  startable(room: RoomOf): number {
    let sum = 0;
    for (const { labels, queue } of this.#lanes.values()) sum += Math.min(queue.size, Math.max(0, room(labels)));
    return sum;
  }

  /** Since when tasks are ready, and how many since then, of lanes that have room. */
  *waits(room: RoomOf): Generator<readonly [since: number, count: number]> {
    for (const { labels, queue } of this.#lanes.values()) if (room(labels) > 0) yield* queue.waits();
  }
}
