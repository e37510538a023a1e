/**
 * A task as the scheduler's core holds it: small, plain, without texts. Instructions, results and transcripts are rows
 * that are named by `createdSeq`, a phase's `seq` and `head`.
 */

import type { WaitMode } from "../contract/shapes.ts";
import type { LockMode } from "../variables/ops.ts";
import type { BudgetNote, ErrorData, StandInTerms } from "./events.ts";
import type { Want } from "./want.ts";

export type EndState = "succeeded" | "failed" | "cancelled" | "skipped";

/** A task's state with just the fields that belong to it (DESIGN §2). */
export type Phase =
  /** `pending` dependencies have not ended; `until` is the end of a backoff (0: none). */
  | { readonly state: "waiting"; pending: number; readonly until: number }
  /** `resumed`: it ran before and goes on from its last logged turn. */
  | { readonly state: "ready"; readonly since: number; readonly resumed: boolean; readonly seq: number }
  | Running
  | { readonly state: "parked"; readonly on: "calls" }
  /**
   * Its own work is done; `seq` names the event with the result. Where it came to nothing, `failed` says why, and its
   * fallback, one of its children, decides how it ends.
   */
  | { readonly state: "parked"; readonly on: "children"; readonly seq: number; readonly failed?: ErrorData }
  /** The next model call could not reserve `need` tokens; whoever parked first (`seq`) is woken first. */
  | {
      readonly state: "parked";
      readonly on: "budget";
      readonly need: number;
      /** … which may cost so much; 0 without a budget in money. */
      readonly nanos?: number;
      readonly seq: number;
    }
  | Ended;

export interface Running {
  readonly state: "running";
  readonly fence: number;
  readonly worker: string;
  readonly hosted: boolean;
  /** Identity of the runtime that a hosted attempt lives in; "" when attempts outlive runtimes. */
  readonly boot: string;
  expiresAt: number;
  /** A pull worker's blocking call: the lease is open but uses no worker. */
  blocked: boolean;
}

/** Its own work is done, and it waits for its children. */
type AtChildren = Extract<Phase, { readonly on: "children" }>;
export type FallenBack = AtChildren & { readonly failed: ErrorData };

export interface Ended {
  readonly state: EndState;
  /** The event that carries the result or the error. */
  readonly seq: number;
  /** The task whose end ended this one, so that they are retried together (0: none). */
  readonly because: number;
}

/** A tool call of the newest turn whose result is not in the transcript yet. */
export type Call =
  | { readonly id: string; readonly state: "done"; readonly seq: number; readonly print?: string }
  | {
      readonly id: string;
      readonly state: "waiting";
      readonly seq: number;
      readonly targets: readonly number[];
      readonly mode: WaitMode;
      /** When the wait times out; 0: never. */
      readonly until: number;
      readonly since: number;
      /** In place of targets. */
      readonly want?: Want;
      /** In place of targets: the call is carried out elsewhere (remote-calls.ts). */
      readonly remote?: RemoteCall;
      /** Of one whose id a worker gave it, while the attempt lasts: which call that is. */
      readonly print?: string;
    };

export type WaitingCall = Extract<Call, { readonly state: "waiting" }>;

/** What becomes of a call of a remote tool. */
export interface RemoteCall {
  readonly tool: string;
  /** Whose workers carry it out; "": Heddle's seats, by the tool's url. */
  readonly pool: string;
  readonly retryLimit: number;
  /** Leases ever opened. */
  readonly attempts: number;
  /** Leases lost since the last failure that was told. */
  readonly losses: number;
  /** Transient failures, lost leases not counted. */
  readonly failures: number;
  readonly phase:
    | { readonly state: "ready"; readonly since: number; readonly seq: number }
    | RemoteRunning
    /** Until the end of its backoff. */
    | { readonly state: "waiting"; readonly until: number };
  /** The event that told of progress last, and its time; 0: none. */
  readonly progress: number;
  readonly progressAt: number;
}

export interface RemoteRunning {
  readonly state: "running";
  readonly fence: number;
  readonly worker: string;
  /** As an attempt's. */
  readonly boot: string;
  expiresAt: number;
}

/** A lock that a task has. */
export interface Hold {
  readonly name: string;
  readonly token: number;
  readonly mode: LockMode;
  readonly since: number;
  /** When it is taken back; 0: never. */
  readonly until: number;
}

/** What a task has of a semaphore. */
export interface Permits {
  readonly name: string;
  readonly permits: number;
  /** Of the last change. */
  readonly since: number;
}

/** A barrier that a task had arrived at when its worker went away. */
export interface Absence {
  readonly name: string;
  readonly generation: number;
}

/** A message from outside that no logged turn has shown yet. */
export interface InboxMessage {
  /** The event that carries it. */
  readonly seq: number;
  readonly bytes: number;
  /** Of Heddle itself, about a budget; else from outside. */
  readonly note?: true;
}

/** How a compacted context differs from the whole one. */
export interface Window {
  /** Turns that were kept at most, the last time. */
  readonly last: number;
  /** Where the task's own messages begin. */
  readonly own: number;
  /** All that ever went. */
  readonly dropped: number;
  readonly replies: number;
}

/** Tasks of a batch of which a number must succeed (groups.ts). Its first member keeps it. */
export interface Group {
  readonly name: string;
  readonly members: readonly number[];
  /** How many must succeed. */
  readonly require: number;
  /** Whether the others are cancelled when it can't be met any more, and when it is met. */
  readonly failFast: boolean;
  readonly dropRest: boolean;
  readonly succeeded: number;
  /** Members that have ended, those that succeeded included. */
  readonly ended: number;
  /** The verdict that was told last. */
  readonly told: "open" | "met" | "failed";
}

/** Why a task stands in for its parent: that one failed, or what it did is to be undone. */
export type StandInWhy = "fallback" | "compensation";

/** What few tasks have: groups, and who stands in for whom (groups.ts, fallbacks.ts). */
export interface Scope {
  /** The first member of the group that it is in. */
  readonly group?: number;
  /** Of a first member: the group. */
  readonly leads?: Group;
  /** First members of groups that it comes after: their verdicts count, and not how each member ends. */
  readonly follows?: readonly number[];
  /** How its stand-in is created. */
  readonly onFailure?: StandInTerms;
  /** It stands in for its parent, of which event `seq` has the outcome. */
  readonly standsIn?: { readonly why: StandInWhy; readonly seq: number };
}

export interface Task {
  readonly n: number;
  readonly key: string | undefined;
  /** Its creator was retried since: the key may be used again, and the creator neither joins nor counts this task. */
  keyFreed: boolean;
  /** The creator's number; 0: posted to the run. */
  readonly parent: number;
  readonly depth: number;
  readonly pool: string;
  readonly priority: number;
  readonly createdSeq: number;
  readonly createdAt: number;
  readonly after: readonly number[];
  readonly runOnFailure: boolean;
  readonly detached: boolean;
  readonly timeoutMs: number;
  readonly retryLimit: number;
  readonly backoffMs: number;
  readonly maxTurns: number;
  /** Of the task and its descendants; 0: none. */
  readonly maxTokens: number;
  /** The snapshot that it forks. */
  readonly base: string;
  /** The lineage that it reads; 0: none that is followed. */
  readonly lineage: number;
  /** What rules go by. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** The model that it names; undefined: it has its context's, or its provider's. */
  readonly model: string | undefined;
  /** Undefined for most. */
  scope: Scope | undefined;

  phase: Phase;
  generation: number;
  /** The generation of the newest turn, whose ops are known by it, when that is an older one; 0: the present one. */
  turnGeneration: number;
  /** Leases ever opened. */
  attempts: number;
  /** Leases lost since the last logged turn; see `poisoned`. */
  losses: number;
  /** Transient failures of this generation, lost leases not counted. */
  failures: number;
  /** Refusals since the last logged turn that were none of its own doing. */
  refusals: number;
  turns: number;
  /** The newest logged snapshot; undefined before the first turn. */
  head: string | undefined;
  /** Of a context that was compacted. */
  window: Window | undefined;
  calls: readonly Call[];
  /** Of its newest reply calls may still have to be begun, by whichever attempt goes on with it. */
  callsLeft: boolean;
  /** In the order of their arrival. */
  inbox: readonly InboxMessage[];
  /** How many of `inbox` the open lease's worker has been given. */
  given: number;
  /** Which budgets it was told of. */
  noted: readonly BudgetNote[];
  holds: readonly Hold[];
  permits: readonly Permits[];
  /** Where it is still expected back, while the generation lasts. */
  absences: readonly Absence[];

  /** At least the longest chain of waiting dependents behind this task, itself included, up to `chainLengthMax`. */
  chain: number;
  /** Inherited priority, at least `priority`. */
  effective: number;
  dependents: number[];
  /** Tasks with a waiting call on this one, once per mention; kept when it ends, since a retry may revive it. */
  awaiters: number[];
  children: number[];
  childrenMade: number;
  liveChildren: number;
  childrenFailed: number;
  /** An await_tasks or an `after … "run"` has seen the failure, or a retry of its creator made it void. */
  observed: boolean;

  readyAt: number;
  startedAt: number;
  /** Start of the present generation's first attempt: timeout_ms counts from here. 0: not started. */
  clockAt: number;
  endedAt: number;

  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  /** Input + output tokens of the task and all its descendants. */
  treeTokens: number;
  /** Reserved for the model call in flight. */
  reserved: number;
  /** Reserved by the task and its descendants. */
  treeReserved: number;

  /** What its tokens cost, in nanodollars. */
  nanos: number;
  reservedNanos: number;
  /** Tokens of which nobody knows what they cost. */
  unpricedTokens: number;
  /** Some of the cost is the simulated model's. */
  simulated: boolean;
}

/** The one empty list: most tasks of a large run have no dependents, awaiters, children, calls or holds. */
export const nothing: never[] = Object.freeze([]) as unknown as never[];

/** The list with `n` at its end: in place, unless it was empty and may be the one that others have, too. */
export function appended(list: number[], n: number): number[] {
  if (list.length === 0) return [n];
  list.push(n);
  return list;
}

/** Every field, so that all tasks are of one shape and no field lies outside of the object. */
export const blankTask: Task = {
  n: 0,
  createdSeq: 0,
  createdAt: 0,
  pool: "",
  priority: 0,
  timeoutMs: 0,
  base: "",
  phase: { state: "waiting", pending: 0, until: 0 },
  key: undefined,
  keyFreed: false,
  parent: 0,
  depth: 1,
  after: nothing,
  runOnFailure: false,
  detached: false,
  retryLimit: 0,
  backoffMs: 0,
  maxTurns: 0,
  maxTokens: 0,
  lineage: 0,
  labels: undefined,
  model: undefined,
  scope: undefined,
  generation: 1,
  turnGeneration: 0,
  attempts: 0,
  losses: 0,
  failures: 0,
  refusals: 0,
  turns: 0,
  head: undefined,
  window: undefined,
  calls: nothing,
  callsLeft: false,
  inbox: nothing,
  given: 0,
  noted: nothing,
  holds: nothing,
  permits: nothing,
  absences: nothing,
  chain: 1,
  effective: 0,
  dependents: nothing,
  awaiters: nothing,
  children: nothing,
  childrenMade: 0,
  liveChildren: 0,
  childrenFailed: 0,
  observed: false,
  readyAt: 0,
  startedAt: 0,
  clockAt: 0,
  endedAt: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  treeTokens: 0,
  reserved: 0,
  treeReserved: 0,
  nanos: 0,
  reservedNanos: 0,
  unpricedTokens: 0,
  simulated: false,
};

/** A task as it begins; what is `given` belongs to it alone. */
export const newTask = (
  given: Pick<Task, "n" | "createdSeq" | "createdAt" | "pool" | "priority" | "timeoutMs" | "base" | "phase"> &
    Partial<Task>,
): Task => ({ ...blankTask, effective: given.priority, ...given });

/** What a label is asked for by: its name, or its name and value. */
export const labelNames = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).flatMap(([name, value]) => [name, `${name}=${value}`]);

export const hasLabel = ({ labels }: Task, label: string): boolean =>
  labels !== undefined && labelNames(labels).includes(label);

export type RunningTask = Task & { phase: Running };
export const isRunning = (task: Task): task is RunningTask => task.phase.state === "running";
export const isEnded = (task: Task): task is Task & { phase: Ended } => "because" in task.phase;
/** The lineage whose prefix its next call begins with; 0: none. A context that was cut begins with nobody else's. */
export const lineageOf = (task: Task): number => (task.window ? 0 : task.lineage);
export const isLive = (task: Task): boolean => !isEnded(task);
/** Held back by dependencies (and not by a backoff). */
export const isHeldBack = (task: Task): task is Task & { phase: Extract<Phase, { state: "waiting" }> } =>
  task.phase.state === "waiting" && task.phase.until === 0;
/** Ready, and nothing of its dependencies' results is in a transcript yet. */
export const isUnstarted = (task: Task): boolean => task.phase.state === "ready" && task.head === undefined;
/** What says how a dependent takes the ends of its dependencies. */
export type Dependent = Pick<Task, "runOnFailure" | "scope">;
/** Whether the dependent comes after the whole group of this dependency. */
export const followsGroupOf = ({ scope }: Dependent, dependency: Task): boolean =>
  scope?.follows?.includes(dependency.scope?.group ?? 0) === true;
/** Whether a dependency no longer holds its dependent back. */
export const settles = (dependency: Task | undefined, dependent: Dependent): boolean =>
  dependency !== undefined &&
  isEnded(dependency) &&
  (dependency.phase.state === "succeeded" || dependent.runOnFailure || followsGroupOf(dependent, dependency));
/** Its own work is done, and it ends when its children have. */
export const isAtChildren = (task: Task | undefined): task is Task & { phase: AtChildren } =>
  task?.phase.state === "parked" && task.phase.on === "children";
/** It failed, and its fallback decides how it ends. */
export const hasFallenBack = (task: Task | undefined): task is Task & { phase: FallenBack } =>
  isAtChildren(task) && task.phase.failed !== undefined;
/** Its creator ends only after it, and answers for its failure. */
export const joinsParent = (task: Task): boolean => task.parent > 0 && !task.detached && !task.keyFreed;
/** It runs in place of its parent, or undoes it, in that one's present generation (fallbacks.ts). */
export const isStandIn = (task: Task): boolean => task.scope?.standsIn !== undefined && !task.keyFreed;
/** An actor session (actors.ts): no task of the run's, whoever asks for tasks. */
export const isActor = (task: Task): boolean => task.n < 0;
/** Whether it may still do something: its own work is not done. */
export const isWorking = (task: Task): boolean => isLive(task) && !isAtChildren(task);
export const waitingCall = ({ calls }: Task, id: string | undefined): WaitingCall | undefined =>
  calls.find((call): call is WaitingCall => call.id === id && call.state === "waiting");
export const hasWaits = ({ calls }: Task): boolean => calls.some((call) => call.state === "waiting");
/** Running, with a call that waits: it goes on when that ends. */
export const isStopped = (task: Task): boolean => !isActor(task) && isRunning(task) && hasWaits(task);
/** What waits for it from outside. */
export const messagesTo = ({ inbox }: Task): readonly InboxMessage[] => inbox.filter(({ note }) => !note);
/** The locks and semaphores of which it has something. */
export const namesHeld = ({ holds, permits }: Task): string[] => [...holds, ...permits].map(({ name }) => name);
/** Its calls that wait for a variable of this kind. */
export const waitsAt = <Kind extends Want["kind"]>({ calls }: Task, kind: Kind): WaitAt<Kind>[] =>
  calls.filter((call): call is WaitAt<Kind> => call.state === "waiting" && call.want?.kind === kind);
type WaitAt<Kind> = WaitingCall & { readonly want: Extract<Want, { readonly kind: Kind }> };
export const hostedPool = "hosted";
