/**
 * RunState: the fold of a run's log.
 *
 * Owns: tasks, their indexes (ready queues, timers, keys, counts), budget totals, the run's status.
 * Does not own: texts (rows of the log), snapshots (the context tree), seats and long polls (volatile, the object's).
 *
 * S1. Only `apply` changes it, event by event, so a replay of the log gives the same state.
 * S2. Indexes are functions of the tasks: `indexTask` rebuilds them from a checkpoint, `setPhase` keeps them.
 * S3. Ended tasks may leave memory (`cold`): they are paged in by the port when a rule needs one, and stay until evicted.
 */

import type { RunStatus, TaskState } from "../contract/shapes.ts";
import { assert } from "../errors/assert.ts";
import { Availability } from "./availability.ts";
import { BlockingState } from "./blocking-state.ts";
import { BudgetQueue } from "./budget-queue.ts";
import type { AvailabilityTold, Limits, RunCredential } from "./events.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import type { Lineage } from "./lineage.ts";
import { isOpenCall, OpenCalls } from "./open-calls.ts";
import { type Labels, PoolQueue, type RoomOf } from "./pool-queue.ts";
import type { QuotaPause } from "./quotas.ts";
import type { ReadyKey } from "./ready-queue.ts";
import { RuleBook } from "./rules/rule-book.ts";
import type { NamedLimit, RunRules } from "./rules/run-rules.ts";
import type { Share } from "./seat-shares.ts";
import {
  type Call,
  hostedPool,
  isActor,
  isEnded,
  isLive,
  isStopped,
  lineageOf,
  type Phase,
  type Task,
} from "./task.ts";
import { TaskRecord, type Terms, termsOf } from "./task-record.ts";

/** What a run is apart from its tasks: plain data, written with each checkpoint. */
export interface RunHeader {
  status: RunStatus;
  reason: string;
  name: string;
  limits: Limits;
  /** The head: newest snapshot appended from outside. */
  snapshot: string;
  /** The task number of the hosted main agent; 0: none. */
  root: number;
  createdAt: number;
  endedAt: number;
  /** It has ended once, and went on; absent: never. */
  reopened?: true;
  /** Last event's number, and its time. */
  seq: number;
  changedAt: number;
  taskCount: number;
  /** Of all its tasks, as they were created; absent: none. */
  dependencies?: number;
  lastFence: number;
  counts: Record<TaskState, number>;
  findings: number;
  /** Failed tasks whose end nobody has seen. */
  unhandled: number;
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  reservedTokens: number;
  /** That have ended, in hosted tasks; absent: none. */
  modelCalls?: number;
  /** How many sessions there ever were; absent: none. */
  lastActor?: number;
  /** Since when nobody can go on unless somebody outside does something; absent or 0: somebody can. */
  stalledAt?: number;
  /** The finding that told of the newest stall. */
  stallSeq?: number;
  /** When somebody last asked for more time for a stall, this one or one before. */
  stallExtendedAt?: number;
  /** Since when full pools are told of; absent or 0: they are not. */
  exhaustedAt?: number;
  /** Nanodollars; as the next six, absent: none. */
  nanos?: number;
  reservedNanos?: number;
  /** Tokens of models without a price, and the names of some of them. */
  unpricedTokens?: number;
  unpricedModels?: readonly string[];
  /** Some of the cost is the simulated model's. */
  simulated?: boolean;
  /** Least recently used first. */
  lineages?: readonly Lineage[];
  lineageCount?: number;
  /** Limits that the run's creator named; absent: what differs from its default (rules/run-rules.ts). */
  named?: readonly NamedLimit[];
  /** Absent: there are none. */
  rules?: RunRules;
  /** Stand-ins that may still be created: room is kept for them (fallbacks.ts). */
  standIns?: number;
  /** The first failure that nobody answers for ends the run; absent: it does not. */
  failFast?: true;
  /** The task that it ends for; absent: none. */
  failing?: number;
  /** How often each cycle of waits was found. */
  cycles?: Record<string, number>;
  /** Absent: the deployment's own. */
  credential?: RunCredential;
  /** How long it is kept after its end; absent: as the deployment has it. */
  retentionDays?: number;
  /** What it waits for, paused; absent: no quota. */
  quota?: QuotaPause;
  /** Its share of the seats; absent: none binds it. */
  share?: Share;
  /** Of each model that ever was refused, and of seats: what was told last, and when. Absent: nothing was. */
  availability?: readonly (AvailabilityTold & { readonly at: number })[];
}

export const noCounts = (): Record<TaskState, number> => ({
  waiting: 0,
  ready: 0,
  running: 0,
  parked: 0,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
});

/** Of a run before its first event. */
export const emptyHeader = (): RunHeader => ({
  status: "active",
  reason: "",
  name: "",
  limits: { workers: 0, tasks: 0, depth: 0, children: 0, tokens: 0, timeoutMs: 0, holdMs: 0, stallMs: 0, pools: [] },
  snapshot: "",
  root: 0,
  createdAt: 0,
  endedAt: 0,
  seq: 0,
  changedAt: 0,
  taskCount: 0,
  lastFence: 0,
  counts: noCounts(),
  findings: 0,
  unhandled: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reservedTokens: 0,
});

/** How often this cycle of waits was found. Its name may be any, also one that every object has. */
export const cyclesOf = ({ cycles = {} }: RunHeader, cycle: string): number =>
  Object.hasOwn(cycles, cycle) ? cycles[cycle]! : 0;

export const isRunEnded = ({ header }: RunState): boolean => header.status !== "active" && header.status !== "paused";

/** A task that has left memory, as the caller's own. */
type Cold = (n: number) => Task | undefined;

export class RunState {
  readonly header: RunHeader;
  /** Every live task, and the ended ones that have not been evicted. */
  readonly tasks = new Map<number, Task>();
  /** key → task number, by creator. */
  readonly keys = new Map<number, Map<string, number>>();
  readonly ready = new Map<string, PoolQueue>();
  /** Running tasks that use a worker (blocked leases do not). */
  working = 0;
  /** Of them, hosted ones: each has a seat. */
  hosted = 0;
  /** Tokens that it may use, over its whole life, as the gate told it; volatile. */
  allowed = Number.POSITIVE_INFINITY;
  /** The tenant has stored as much as it may, as the gate told it; volatile. */
  full: { readonly limit: number; readonly stored: number } | undefined;
  /** The share that it was told last, be it bound by it or not; volatile. Undefined: what the log says holds. */
  told: Share | undefined;
  /** No gate has told the run anything yet, or it has begun anew since; volatile. */
  isUntold = false;
  /** Tasks parked for tokens. */
  readonly budgetQueue = new BudgetQueue();
  /** Ready tasks of each lineage, held or not. */
  readonly #siblings = new Map<number, Set<number>>();
  /** Lineages whose ready tasks are held. */
  readonly warming = new Set<number>();
  /** Tasks changed since the last checkpoint. */
  readonly dirty = new Set<number>();
  /** Created since anything else happened, in their order: the chains before them are not lengthened yet (chains.ts). */
  readonly unchained = new Set<Task>();
  /** Running tasks with a call that waits. */
  readonly stopped = new Set<number>();
  readonly blocking = new BlockingState();
  /** Calls of remote tools. */
  readonly openCalls = new OpenCalls();
  /** Live sessions, by their negative numbers. */
  readonly actors = new Set<number>();
  /** What the rules come to; undefined where there are none. */
  book: RuleBook | undefined;
  /** What providers and the platform can take. */
  readonly availability: Availability;
  /** The last call from outside; volatile. */
  outsideAt = 0;
  readonly #timers = new IndexedHeap((a, b) => (this.#due.get(a)! - this.#due.get(b)! || a - b) < 0);
  readonly #due = new Map<number, number>();
  #lastHash = "";
  #lastTerms: Terms | undefined;
  #lastLabels: { readonly text: string; readonly labels: Readonly<Record<string, string>> } | undefined;
  readonly #cold: Cold;

  constructor(header: RunHeader, cold: Cold) {
    this.header = header;
    this.#cold = cold;
    this.availability = new Availability(header);
    for (const { n, warmer } of header.lineages ?? []) if (warmer > 0) this.warming.add(n);
    if (header.rules) this.book = new RuleBook(header);
  }

  /** How many tasks may work now. */
  get workers(): number {
    return this.book?.workers ?? this.header.limits.workers;
  }

  /** The rules are others now: tasks stand in other lanes. Linear in the tasks in memory. */
  openBook(): void {
    this.book = this.header.rules && new RuleBook(this.header);
    for (const queue of this.ready.values()) queue.clear();
    for (const task of this.tasks.values()) {
      const { phase } = task;
      if (isActor(task)) continue;
      if (phase.state === "running" && !phase.blocked) this.book?.count(task, 1);
      else if (phase.state === "ready" && !this.warming.has(lineageOf(task))) this.#queue(task);
    }
  }

  /** The task, paged in when it has left memory. */
  task(n: number): Task {
    const task = this.find(n);
    assert(task, `task ${n} exists`);
    return task;
  }

  find(n: number): Task | undefined {
    const warm = this.tasks.get(n);
    if (warm || n < 1 || n > this.header.taskCount) return warm;
    const cold = this.#cold(n);
    if (cold) this.tasks.set(n, cold);
    return cold;
  }

  /** For reads that change nothing: a task that has left memory does not come back for it. */
  peek(n: number): Task | undefined {
    return this.tasks.get(n) ?? (n >= 1 && n <= this.header.taskCount ? this.#cold(n) : undefined);
  }

  /** The task if it is live; live tasks never leave memory, so this never reads. */
  live(n: number): Task | undefined {
    const task = this.tasks.get(n);
    return task && isLive(task) ? task : undefined;
  }

  liveCount(): number {
    const { waiting, ready, running, parked } = this.header.counts;
    return waiting + ready + running + parked;
  }

  keyOf(creator: number, key: string): number | undefined {
    return this.keys.get(creator)?.get(key);
  }

  setCalls(task: Task, calls: readonly Call[]): void {
    task.calls = calls;
    this.#noteStopped(task);
    this.blocking.countWaits(task);
    this.dirty.add(task.n);
  }

  /** Moves a task to another phase and keeps every index with it (S2). */
  setPhase(task: Task, phase: Phase): void {
    this.#unindex(task);
    task.phase = phase;
    this.indexTask(task);
    this.dirty.add(task.n);
  }

  /** `hash`, as the one string that its neighbours have: tasks of a batch fork the same snapshot. */
  sameHash(hash: string): string {
    if (this.#lastHash !== hash) this.#lastHash = hash;
    return this.#lastHash;
  }

  /** Takes a task into memory, as its record. */
  keep(task: Task): Task {
    this.#lastTerms = termsOf(task, this.#lastTerms);
    const record = new TaskRecord(task, this.#lastTerms);
    this.tasks.set(record.n, record);
    return record;
  }

  /** Takes in a live task of a checkpoint, whose header has counted it. */
  adopt(packed: Task): void {
    const task = this.keep(packed);
    if (!isActor(task)) this.header.counts[task.phase.state]--;
    this.indexTask(task);
    this.blocking.index(task);
    this.openCalls.index(task);
  }

  /** Puts a task into the indexes that its phase belongs to. */
  indexTask(task: Task): void {
    const { phase } = task;
    if (isActor(task)) {
      if (isLive(task)) this.actors.add(task.n);
      else this.actors.delete(task.n);
      this.retime(task);
      return;
    }
    this.header.counts[phase.state]++;
    if (phase.state === "ready") this.#enqueue(task);
    else if (phase.state === "running" && !phase.blocked) {
      this.#countWorker(task, 1);
    } else if (phase.state === "parked" && phase.on === "budget") this.budgetQueue.add(task.n, phase.seq);
    this.#noteStopped(task);
    this.retime(task);
  }

  #noteStopped(task: Task): void {
    if (isStopped(task)) this.stopped.add(task.n);
    else this.stopped.delete(task.n);
  }

  #unindex(task: Task): void {
    const { phase } = task;
    if (isActor(task)) return;
    this.header.counts[phase.state]--;
    if (phase.state === "ready") {
      this.queueOf(task.pool).remove(task.n, phase.seq);
      this.#siblings.get(lineageOf(task))?.delete(task.n);
    } else if (phase.state === "running" && !phase.blocked) {
      this.#countWorker(task, -1);
    } else if (phase.state === "parked" && phase.on === "budget") this.budgetQueue.delete(task.n);
  }

  #countWorker(task: Task, by: 1 | -1): void {
    this.working += by;
    if (task.pool === hostedPool) this.hosted += by;
    this.book?.count(task, by);
    this.availability.count(task, by);
  }

  /** After a change of `effective` or `chain` of a task. */
  reorder(task: Task): void {
    if (task.phase.state === "ready") this.#enqueue(task);
    for (const call of task.calls) if (isOpenCall(call)) this.openCalls.put(task, call);
    this.dirty.add(task.n);
  }

  /** Into the pool's queue, unless the task is held: then its siblings know of it. */
  #enqueue(task: Task): void {
    const { n } = task;
    const lineage = lineageOf(task);
    if (lineage > 0) {
      const siblings = this.#siblings.get(lineage) ?? new Set();
      this.#siblings.set(lineage, siblings.add(n));
    }
    if (!this.warming.has(lineage)) this.#queue(task);
  }

  #queue(task: Task): void {
    this.queueOf(task.pool).put(task.n, readyKeyOf(task), this.#laneOf(task));
  }

  /** What holds it back beside the run's own number: rules about its labels, and its model. */
  #laneOf(task: Task): Labels | undefined {
    const labels = this.book?.labelsOf(task);
    const place = task.pool === hostedPool ? this.availability.placeOf(task) : undefined;
    if (place === undefined) return labels;
    return labels && labels.length > 0 ? [...labels, ...place] : place;
  }

  /** How many more may work of those that stand in a lane. */
  roomAt(now: number): RoomOf {
    const { book, availability } = this;
    return (labels) => Math.min(book?.roomOf(labels) ?? Number.POSITIVE_INFINITY, availability.roomOf(labels, now));
  }

  /** How many more of a pool. */
  roomIn(pool: string): number {
    const seats = pool === hostedPool ? this.availability.seatRoom() : Number.POSITIVE_INFINITY;
    return Math.min(seats, this.book?.roomIn(pool) ?? Number.POSITIVE_INFINITY);
  }

  /** Takes the ready tasks of a lineage out of their queue, or puts them back where they belong in it. */
  hold(lineage: number, held: boolean): void {
    if (held) this.warming.add(lineage);
    else this.warming.delete(lineage);
    for (const n of this.#siblings.get(lineage) ?? []) {
      const task = this.task(n);
      if (held) this.queueOf(task.pool).remove(n, readyKeyOf(task).seq);
      else this.#queue(task);
    }
  }

  /** `labels`, as the one object that its neighbours have: a child's are mostly its creator's. */
  sameLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const text = JSON.stringify(labels);
    if (this.#lastLabels?.text !== text) this.#lastLabels = { text, labels };
    return this.#lastLabels.labels;
  }

  isHeld(task: Task): boolean {
    return task.phase.state === "ready" && this.warming.has(lineageOf(task));
  }

  readySiblings(lineage: number): number {
    return this.#siblings.get(lineage)?.size ?? 0;
  }

  queueOf(pool: string): PoolQueue {
    let queue = this.ready.get(pool);
    if (!queue) {
      queue = new PoolQueue();
      this.ready.set(pool, queue);
    }
    return queue;
  }

  /** The task's next due time, from all of its clocks. */
  retime(task: Task): void {
    const due = dueAt(task);
    if (due === Number.POSITIVE_INFINITY) {
      this.#timers.remove(task.n);
      this.#due.delete(task.n);
    } else {
      this.#due.set(task.n, due);
      this.#timers.touch(task.n);
    }
  }

  /** When the run's clock looks at the task, its due time or before; undefined: never. */
  timedAt(n: number): number | undefined {
    return this.#timers.has(n) ? this.#due.get(n) : undefined;
  }

  /** The task whose clock rings first, and when; renewed leases are put back on the way. */
  nextDue(): { n: number; at: number } | undefined {
    for (;;) {
      const n = this.#timers.peek();
      if (n === undefined) return undefined;
      const at = this.#due.get(n)!;
      if (dueAt(this.tasks.get(n)!) === at) return { n, at };
      this.retime(this.tasks.get(n)!);
    }
  }

  /** Ended tasks leave memory; call when their pages are written. */
  evictEnded(): void {
    for (const [n, task] of this.tasks) if (isEnded(task) && !this.dirty.has(n)) this.tasks.delete(n);
  }
}

export const readyKeyOf = (task: Task): ReadyKey => {
  const { phase } = task;
  assert(phase.state === "ready", "a queued task is ready");
  return { effective: task.effective, since: phase.since, resumed: phase.resumed, chain: task.chain, seq: phase.seq };
};

/** When its `timeout_ms` is over; never before it has begun. */
export const lifeEndOf = ({ clockAt, timeoutMs }: Task): number =>
  clockAt > 0 ? clockAt + timeoutMs : Number.POSITIVE_INFINITY;

/** When something about the task must happen although nobody calls: a lease, a backoff, a wait or the task times out. */
function dueAt(task: Task): number {
  if (isEnded(task)) return Number.POSITIVE_INFINITY;
  let due = lifeEndOf(task);
  const { phase } = task;
  if (phase.state === "running") due = Math.min(due, phase.expiresAt);
  if (phase.state === "waiting" && phase.until > 0) due = Math.min(due, phase.until);
  for (const { until } of task.holds) if (until > 0) due = Math.min(due, until);
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    if (call.until > 0) due = Math.min(due, call.until);
    const at = call.remote?.phase;
    if (at?.state === "running") due = Math.min(due, at.expiresAt);
    else if (at?.state === "waiting") due = Math.min(due, at.until);
  }
  return due;
}
