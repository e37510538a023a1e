/**
 * A task in memory. Most fields of most tasks are those of their neighbours, or zero: what never changes is shared with the task
 * that was created before, if it is the same there, and what is spent is shared by all that have spent nothing. Of a batch
 * of 100,000 that is a third of the memory.
 *
 * R1  A record reads and writes as the plain task that it was made of.
 * R2  What it shares nobody changes: a first expense makes a copy of its own.
 */

import { blankTask, type Task } from "./task.ts";

/** What never changes after a task's creation, and is mostly the same over a batch. */
const termNames = [
  "parent",
  "depth",
  "pool",
  "priority",
  "createdAt",
  "runOnFailure",
  "detached",
  "timeoutMs",
  "retryLimit",
  "backoffMs",
  "maxTurns",
  "maxTokens",
  "base",
  "lineage",
  "labels",
  "model",
] as const satisfies readonly (keyof Task)[];

const spentNames = [
  "inputTokens",
  "outputTokens",
  "cacheReadTokens",
  "cacheWriteTokens",
  "treeTokens",
  "reserved",
  "treeReserved",
  "nanos",
  "reservedNanos",
  "unpricedTokens",
  "simulated",
  "refusals",
  "callsLeft",
] as const satisfies readonly (keyof Task)[];

export type Terms = Pick<Task, (typeof termNames)[number]>;
type Spent = Pick<Task, (typeof spentNames)[number]>;

/** Every field of a task, in a fixed order. */
export const taskFields = Object.keys(blankTask) as readonly (keyof Task)[];

/** The task without what only a record has, sharing what it holds. */
export function plainTask(task: Task): Task {
  if (!(task instanceof TaskRecord)) return { ...task };
  const { terms, spent, ...own } = task;
  return { ...blankTask, ...own, ...terms, ...spent };
}

/** `known` if that is the same, else the task's own. */
export function termsOf(task: Task, known: Terms | undefined): Terms {
  if (known && termNames.every((name) => known[name] === task[name])) return known;
  return Object.fromEntries(termNames.map((name) => [name, task[name]])) as unknown as Terms;
}

const spentOf = (task: Task): Spent =>
  spentNames.every((name) => task[name] === nothingSpent[name])
    ? nothingSpent
    : (Object.fromEntries(spentNames.map((name) => [name, task[name]])) as unknown as Spent);

const nothingSpent: Spent = Object.freeze(
  Object.fromEntries(spentNames.map((name) => [name, blankTask[name]])) as unknown as Spent,
);

export class TaskRecord implements Task {
  readonly n: Task["n"];
  readonly key: Task["key"];
  keyFreed: Task["keyFreed"];
  readonly createdSeq: Task["createdSeq"];
  readonly after: Task["after"];
  scope: Task["scope"];
  phase: Task["phase"];
  generation: Task["generation"];
  turnGeneration: Task["turnGeneration"];
  attempts: Task["attempts"];
  losses: Task["losses"];
  failures: Task["failures"];
  turns: Task["turns"];
  head: Task["head"];
  window: Task["window"];
  calls: Task["calls"];
  inbox: Task["inbox"];
  given: Task["given"];
  noted: Task["noted"];
  holds: Task["holds"];
  permits: Task["permits"];
  absences: Task["absences"];
  chain: Task["chain"];
  effective: Task["effective"];
  dependents: Task["dependents"];
  awaiters: Task["awaiters"];
  children: Task["children"];
  childrenMade: Task["childrenMade"];
  liveChildren: Task["liveChildren"];
  childrenFailed: Task["childrenFailed"];
  observed: Task["observed"];
  readyAt: Task["readyAt"];
  startedAt: Task["startedAt"];
  clockAt: Task["clockAt"];
  endedAt: Task["endedAt"];
  readonly terms: Terms;
  spent: Spent;

  /** `terms` are the task's, as `termsOf` has them. */
  constructor(task: Task, terms: Terms) {
    this.n = task.n;
    this.key = task.key;
    this.keyFreed = task.keyFreed;
    this.createdSeq = task.createdSeq;
    this.after = task.after;
    this.scope = task.scope;
    this.phase = task.phase;
    this.generation = task.generation;
    this.turnGeneration = task.turnGeneration;
    this.attempts = task.attempts;
    this.losses = task.losses;
    this.failures = task.failures;
    this.turns = task.turns;
    this.head = task.head;
    this.window = task.window;
    this.calls = task.calls;
    this.inbox = task.inbox;
    this.given = task.given;
    this.noted = task.noted;
    this.holds = task.holds;
    this.permits = task.permits;
    this.absences = task.absences;
    this.chain = task.chain;
    this.effective = task.effective;
    this.dependents = task.dependents;
    this.awaiters = task.awaiters;
    this.children = task.children;
    this.childrenMade = task.childrenMade;
    this.liveChildren = task.liveChildren;
    this.childrenFailed = task.childrenFailed;
    this.observed = task.observed;
    this.readyAt = task.readyAt;
    this.startedAt = task.startedAt;
    this.clockAt = task.clockAt;
    this.endedAt = task.endedAt;
    this.terms = terms;
    this.spent = spentOf(task);
  }

  get parent(): Task["parent"] {
    return this.terms.parent;
  }
  get depth(): Task["depth"] {
    return this.terms.depth;
  }
  get pool(): Task["pool"] {
    return this.terms.pool;
  }
  get priority(): Task["priority"] {
    return this.terms.priority;
  }
  get createdAt(): Task["createdAt"] {
    return this.terms.createdAt;
  }
  get runOnFailure(): Task["runOnFailure"] {
    return this.terms.runOnFailure;
  }
  get detached(): Task["detached"] {
    return this.terms.detached;
  }
  get timeoutMs(): Task["timeoutMs"] {
    return this.terms.timeoutMs;
  }
  get retryLimit(): Task["retryLimit"] {
    return this.terms.retryLimit;
  }
  get backoffMs(): Task["backoffMs"] {
    return this.terms.backoffMs;
  }
  get maxTurns(): Task["maxTurns"] {
    return this.terms.maxTurns;
  }
  get maxTokens(): Task["maxTokens"] {
    return this.terms.maxTokens;
  }
  get base(): Task["base"] {
    return this.terms.base;
  }
  get lineage(): Task["lineage"] {
    return this.terms.lineage;
  }
  get labels(): Task["labels"] {
    return this.terms.labels;
  }
  get model(): Task["model"] {
    return this.terms.model;
  }
  get inputTokens(): Task["inputTokens"] {
    return this.spent.inputTokens;
  }
  set inputTokens(value: Task["inputTokens"]) {
    this.#own().inputTokens = value;
  }
  get outputTokens(): Task["outputTokens"] {
    return this.spent.outputTokens;
  }
  set outputTokens(value: Task["outputTokens"]) {
    this.#own().outputTokens = value;
  }
  get cacheReadTokens(): Task["cacheReadTokens"] {
    return this.spent.cacheReadTokens;
  }
  set cacheReadTokens(value: Task["cacheReadTokens"]) {
    this.#own().cacheReadTokens = value;
  }
  get cacheWriteTokens(): Task["cacheWriteTokens"] {
    return this.spent.cacheWriteTokens;
  }
  set cacheWriteTokens(value: Task["cacheWriteTokens"]) {
    this.#own().cacheWriteTokens = value;
  }
  get treeTokens(): Task["treeTokens"] {
    return this.spent.treeTokens;
  }
  set treeTokens(value: Task["treeTokens"]) {
    this.#own().treeTokens = value;
  }
  get reserved(): Task["reserved"] {
    return this.spent.reserved;
  }
  set reserved(value: Task["reserved"]) {
    this.#own().reserved = value;
  }
  get treeReserved(): Task["treeReserved"] {
    return this.spent.treeReserved;
  }
  set treeReserved(value: Task["treeReserved"]) {
    this.#own().treeReserved = value;
  }
  get nanos(): Task["nanos"] {
    return this.spent.nanos;
  }
  set nanos(value: Task["nanos"]) {
    this.#own().nanos = value;
  }
  get reservedNanos(): Task["reservedNanos"] {
    return this.spent.reservedNanos;
  }
  set reservedNanos(value: Task["reservedNanos"]) {
    this.#own().reservedNanos = value;
  }
  get unpricedTokens(): Task["unpricedTokens"] {
    return this.spent.unpricedTokens;
  }
  set unpricedTokens(value: Task["unpricedTokens"]) {
    this.#own().unpricedTokens = value;
  }
  get simulated(): Task["simulated"] {
    return this.spent.simulated;
  }
  set simulated(value: Task["simulated"]) {
    this.#own().simulated = value;
  }
  get refusals(): Task["refusals"] {
    return this.spent.refusals;
  }
  set refusals(value: Task["refusals"]) {
    this.#own().refusals = value;
  }
  get callsLeft(): Task["callsLeft"] {
    return this.spent.callsLeft;
  }
  set callsLeft(value: Task["callsLeft"]) {
    this.#own().callsLeft = value;
  }

  #own(): Spent {
    if (this.spent === nothingSpent) this.spent = { ...nothingSpent };
    return this.spent;
  }
}
