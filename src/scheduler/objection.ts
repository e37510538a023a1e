/**
 * objection(state, event): what speaks against an event of a log that comes from elsewhere. `apply` never refuses, because it
 * folds what the rules have decided; a file may hold anything. What passes here leaves a state that the rules could have left,
 * as far as `apply` and those who read the state rely on it.
 *
 * Does not own: the event's fields by themselves (contract/logged-events.ts), texts and snapshots (whoever imports).
 */

import { lineKindOf } from "./blocking-state.ts";
import type { SchedulerEvent } from "./events.ts";
import type { Facts } from "./facts.ts";
import type { RunState } from "./state.ts";
import { isEnded, isLive, type Task } from "./task.ts";

type Of<Type extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { type: Type }>;
type Objection = string | undefined;

/** Undefined: it may follow. */
export function objection(state: RunState, event: SchedulerEvent): Objection {
  if (state.header.seq === 0)
    return event.type === "run_created" ? undefined : "the log does not begin with run_created";
  return stranger(state, event) ?? misplaced(state, event);
}

/** Whoever an event is about must be there. */
function stranger(state: RunState, event: SchedulerEvent): Objection {
  const named: number[] = [];
  if ("task" in event && event.task !== undefined && event.type !== "task_created") named.push(event.task);
  if ("targets" in event) named.push(...event.targets);
  if ("subjects" in event) named.push(...event.subjects);
  if ("tasks" in event) named.push(...event.tasks);
  if ("by" in event) named.push(event.by);
  if ("error" in event && event.error?.because) named.push(event.error.because);
  if (event.type === "call_waiting" && event.want?.kind === "barrier") named.push(...event.want.members);
  if (event.type === "actor_ended") named.push(event.actor);
  const missing = named.find((n) => !state.find(n));
  return missing === undefined ? undefined : `there is no task ${missing}`;
}

function misplaced(state: RunState, event: SchedulerEvent): Objection {
  const { header, blocking } = state;
  switch (event.type) {
    case "run_created":
      return "a run is created once";
    case "task_created":
      return creation(state, event);
    case "task_ready":
      return inPhase(state, event.task, "waiting", "running", "parked");
    case "task_started":
      if (event.fence <= header.lastFence) return "fences rise";
      return inPhase(state, event.task, "ready");
    case "tokens_reserved":
    case "turn":
    case "task_parked":
    case "attempt_ended":
      return inPhase(state, event.task, "running");
    case "call_waiting":
      return waiting(state, event);
    case "call_blocked":
      return inPhase(state, event.task, "running");
    case "call_done":
      return state.task(event.task).phase.state === "running" || hasCall(state.task(event.task), event.call)
        ? live(state, event.task)
        : "nobody made that call";
    case "task_ended":
      return ending(state, event);
    case "task_retried":
      return isEnded(state.task(event.task)) ? undefined : "only what has ended is retried";
    case "actor_opened":
      return event.actor === -((header.lastActor ?? 0) + 1) ? undefined : "sessions are numbered one after another";
    case "actor_ended":
      return live(state, event.actor);
    case "lock_granted":
      return otherKind(state, event.name, "lock") ?? live(state, event.task);
    case "lock_released":
      return state.task(event.task).holds.some((hold) => hold.name === event.name && hold.token === event.token)
        ? undefined
        : "only what is held is released";
    case "semaphore_created":
      return blocking.facts.has(event.name) ? `${event.name} is there` : otherKind(state, event.name, "semaphore");
    case "permits_granted":
      return blocking.facts.get(event.name)?.kind === "semaphore"
        ? live(state, event.task)
        : "there is no such semaphore";
    case "permits_released": {
      const held = state.task(event.task).permits.find((hold) => hold.name === event.name)?.permits ?? 0;
      return held >= event.permits ? undefined : "only what is held is released";
    }
    case "barrier_tripped":
    case "barrier_broken":
      return otherKind(state, event.name, "barrier");
    case "queue_created":
    case "messages_pushed":
    case "queue_closed":
      return otherKind(state, event.name, "message_queue");
    case "messages_popped": {
      const facts = blocking.facts.get(event.name);
      const there = facts?.kind === "message_queue" ? facts.pushed - facts.popped : 0;
      return event.count <= there ? undefined : "there are not so many messages";
    }
    case "future_settled":
      return blocking.facts.has(event.name) ? "a future is settled once" : otherKind(state, event.name, "future");
    case "run_ended":
      return state.liveCount() === 0 ? undefined : "tasks are live";
    default:
      return undefined;
  }
}

function creation(state: RunState, event: Of<"task_created">): Objection {
  const { task, parent, after = [], key } = event;
  if (state.find(task) || task > state.header.limits.tasks) return `a task ${task} can't be created`;
  const creator = parent === 0 ? undefined : state.find(parent);
  if (parent > 0 && (!creator || !isLive(creator))) return `there is no live task ${parent}`;
  if (event.depth !== (creator?.depth ?? 0) + 1) return "its depth is not its creator's and one";
  if (event.root && (state.header.root > 0 || parent > 0)) return "there is one root, and nobody made it";
  if (key !== undefined && state.keyOf(parent, key) !== undefined) return `the key ${key} is used twice`;
  if (new Set(after).size < after.length) return "a dependency is named twice";
  const missing = after.find((n) => !state.find(n));
  return missing === undefined ? undefined : `there is no task ${missing}`;
}

function waiting(state: RunState, event: Of<"call_waiting">): Objection {
  const task = state.task(event.task);
  if (task.phase.state !== "running") return "only who runs begins to wait";
  if (hasCall(task, event.call)) return "that call was made before";
  const want = event.want ?? (event.lock && { kind: "lock" as const, ...event.lock });
  if (!want) return undefined;
  for (const name of want.names) {
    const other = otherKind(state, name, lineKindOf(want));
    if (other) return other;
  }
  if (want.kind === "semaphore" && !state.blocking.facts.has(want.names[0])) return "there is no such semaphore";
  return undefined;
}

function ending(state: RunState, event: Of<"task_ended">): Objection {
  const task = state.task(event.task);
  if (!isLive(task)) return "a task ends once in a generation";
  if (event.result_seq === undefined) return undefined;
  const { phase } = task;
  return phase.state === "parked" && phase.on === "children" && phase.seq === event.result_seq
    ? undefined
    : "its result is not there";
}

function inPhase(state: RunState, n: number, ...states: readonly Task["phase"]["state"][]): Objection {
  const { state: now } = state.task(n).phase;
  return states.includes(now) ? undefined : `task ${n} is ${now}`;
}

const live = (state: RunState, n: number): Objection => (isLive(state.task(n)) ? undefined : `task ${n} has ended`);

const hasCall = (task: Task, id: string): boolean => task.calls.some((call) => call.id === id);

/** A variable that is there must be of this kind. */
function otherKind({ blocking }: RunState, name: string, kind: Facts["kind"]): Objection {
  const other = [blocking.facts.get(name)?.kind, blocking.lineOf(name)?.kind].find((one) => one && one !== kind);
  return other && `${name} is a ${other}`;
}
