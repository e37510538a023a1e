/**
 * What a run's rules come to now, made ready for the questions that are asked often: how many workers, and how much room labels
 * and pools have. A function of header and tasks, made anew from them; a run without rules has none.
 */

import type { When } from "../../rules/rule.ts";
import type { Labels } from "../pool-queue.ts";
import type { RunHeader } from "../state.ts";
import { labelNames, type Task } from "../task.ts";
import { scopedWorkers, taskTokensOf, workersUnder } from "./run-rules.ts";

interface Room {
  max: number;
  working: number;
}

/** The last look at how long tasks wait: dear, so it is not taken at every event. */
export interface WaitsSeen {
  readonly at: number;
  readonly value: number | undefined;
  readonly changesAt: number;
}

export class RuleBook {
  workers = 0;
  /** Of each task by itself; 0: no rule says. */
  readonly taskTokens: number;
  /** A rule says so: who needs more than the run's budget has left fails, and the run does not pause. */
  readonly failsUnfunded: boolean;
  readonly whens: readonly (readonly [place: number, rule: When])[];
  /** When something may change though nothing happens, as of the last look. */
  dueAt = Number.POSITIVE_INFINITY;
  readonly waitsSeen = new Map<number, WaitsSeen>();
  readonly #names: readonly string[];
  readonly #labels: readonly Room[];
  readonly #pools: ReadonlyMap<string, Room>;

  constructor(header: RunHeader) {
    const { labels, pools } = scopedWorkers(header.rules!);
    this.#names = [...labels.keys()];
    this.#labels = this.#names.map(() => ({ max: 0, working: 0 }));
    this.#pools = new Map(Array.from(pools.keys(), (pool) => [pool, { max: 0, working: 0 }]));
    this.taskTokens = taskTokensOf(header);
    this.failsUnfunded = header.rules!.rules.some(({ rule }) => rule.kind === "budget_end");
    this.whens = header.rules!.rules.flatMap(({ rule }, i) => (rule.kind === "when" ? [[i, rule] as const] : []));
    this.refresh(header);
  }

  /** After a rule has fired, or no longer holds. */
  refresh(header: RunHeader): void {
    const { labels, pools } = scopedWorkers(header.rules!);
    this.workers = workersUnder(header).max;
    for (const [i, name] of this.#names.entries()) this.#labels[i]!.max = labels.get(name)!;
    for (const [pool, room] of this.#pools) room.max = pools.get(pool)!;
  }

  /** Which of the rules' labels the task has: by name, or by name and value. */
  labelsOf({ labels }: Task): Labels {
    if (!labels || this.#names.length === 0) return [];
    const own = new Set(labelNames(labels));
    return this.#names.flatMap((name, i) => (own.has(name) ? [i] : []));
  }

  nameOf(label: number): string {
    return this.#names[label]!;
  }

  /** The task begins to use a worker, or no longer does. */
  count(task: Task, change: 1 | -1): void {
    for (const i of this.labelsOf(task)) this.#labels[i]!.working += change;
    const room = this.#pools.get(task.pool);
    if (room) room.working += change;
  }

  roomOf = (labels: Labels): number => {
    let room = Number.POSITIVE_INFINITY;
    // Places below zero are models' (scheduler/availability.ts).
    for (const i of labels) if (i >= 0) room = Math.min(room, this.#labels[i]!.max - this.#labels[i]!.working);
    return room;
  };

  /** The rules that look at the loads of a pool's workers. */
  loadRules(pool: string): When[] {
    const about = ({ metric, action }: When) =>
      metric === "worker_load" && (action.kind !== "workers" || action.pool === undefined || action.pool === pool);
    return this.whens.flatMap(([, rule]) => (about(rule) ? [rule] : []));
  }

  roomIn(pool: string): number {
    const room = this.#pools.get(pool);
    return room ? room.max - room.working : Number.POSITIVE_INFINITY;
  }
}
