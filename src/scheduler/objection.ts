/**
 * objection(state, event): what speaks against an event of a log that comes from elsewhere. `apply` never refuses, because it
 * folds what the rules have decided; a file may hold anything. What passes here leaves a state that the rules could have left,
 * as far as `apply` and those who read the state rely on it.
 *
 * Does not own: the event's fields by themselves (contract/logged-events.ts), texts and snapshots (whoever imports).
 */

import { budgetsNotedMax, inboxBytesMax, inboxMessagesMax, openToolCallsMax } from "../limits.ts";
import type { EventOf, SchedulerEvent } from "./events.ts";
import type { Facts } from "./facts.ts";
import { mayFallBack, standInOf } from "./fallbacks.ts";
import { findLineage } from "./lineage.ts";
import { isOpenCall, type OpenCall } from "./open-calls.ts";
import type { RunState } from "./state.ts";
import { hasFallenBack, isEnded, isLive, isWorking, lineageOf, messagesTo, type Task } from "./task.ts";
import { isExternal, lineKindOf } from "./want.ts";

type Objection = string | undefined;

/** Undefined: it may follow. */
export function objection(state: RunState, event: SchedulerEvent): Objection {
  if (state.header.seq === 0)
    return event.type === "run_created" ? undefined : "the log does not begin with run_created";
  return stranger(state, event) ?? misplaced(state, event);
}

/** Whoever an event is about must be there. */
function stranger(state: RunState, event: SchedulerEvent): Objection {
  for (const n of named(event)) if (!state.find(n)) return `there is no task ${n}`;
  return undefined;
}

function* named(event: SchedulerEvent): Generator<number> {
  if ("task" in event && event.task !== undefined && event.type !== "task_created") yield event.task;
  if ("targets" in event) yield* event.targets ?? [];
  if ("subjects" in event) yield* event.subjects;
  if ("tasks" in event) yield* event.tasks;
  if ("members" in event) {
    yield* event.members;
    yield* event.followers ?? [];
  }
  if ("by" in event) yield event.by;
  if ("error" in event && event.error?.because) yield event.error.because;
  if (event.type === "call_waiting" && event.want?.kind === "barrier") yield* event.want.members;
  if (event.type === "actor_ended") yield event.actor;
  if (event.type === "variables_used") for (const { task } of event.uses) if (task !== undefined) yield task;
}

function misplaced(state: RunState, event: SchedulerEvent): Objection {
  const { header, blocking } = state;
  switch (event.type) {
    case "run_created":
      return "a run is created once";
    case "task_created":
      return creation(state, event);
    case "group_created":
      return grouping(state, event);
    case "group_decided":
      return state.task(event.task).scope?.leads ? undefined : "there is no such group";
    case "task_fell_back":
      return fallingBack(state, event);
    case "run_failing":
      return header.failFast ? undefined : "the run does not fail fast";
    case "task_ready":
      return inPhase(state, event.task, "waiting", "running", "parked");
    case "task_started":
      if (event.fence <= header.lastFence) return "fences rise";
      return inPhase(state, event.task, "ready");
    case "task_held":
      return inPhase(state, event.task, "ready");
    case "turn":
      return inPhase(state, event.task, "running") ?? shown(state, event);
    case "context_compacted":
      return compaction(state, event);
    case "message_received":
      return received(state, event);
    case "budget_noted":
      return noted(state, event);
    case "tokens_reserved":
    case "attempt_ended":
      return inPhase(state, event.task, "running");
    case "task_parked":
      return inPhase(state, event.task, "running") ?? ("unread" in event ? unread(state, event) : undefined);
    case "tool_call_started":
      if (event.fence <= header.lastFence) return "fences rise";
      return ofOpenCall(state, event, ({ remote }) => remote.phase.state === "ready");
    case "tool_call_attempt_ended":
    case "tool_call_progress":
      return ofOpenCall(
        state,
        event,
        ({ remote: { phase } }) => phase.state === "running" && phase.fence === event.fence,
      );
    case "tool_call_ready":
      return ofOpenCall(state, event, ({ remote }) => remote.phase.state === "waiting");
    case "lineage_begun":
      return event.lineage === (header.lineageCount ?? 0) + 1 ? undefined : "lineages are numbered one after another";
    case "cache_warming":
      return warming(state, event);
    case "cache_released":
      return findLineage(state, event.lineage)?.warmer ? undefined : "nobody is held for it";
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
      return retrying(state, event);
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
    case "stall_extended":
      return header.stalledAt ? undefined : "nothing stands still";
    case "rule_fired":
    case "rule_cleared":
      return header.rules?.rules[event.rule]?.rule.kind === "when" ? undefined : "there is no such rule";
    case "worker_load":
      return header.rules ? undefined : "no rule looks at loads";
    case "run_ended":
      return state.liveCount() === 0 ? undefined : "tasks are live";
    default:
      return undefined;
  }
}

function creation(state: RunState, event: EventOf<"task_created">): Objection {
  const { task, parent, after = [], key, stands_in: standsIn } = event;
  // Room for what stands in for a task was kept when that was created, whatever a rule says since.
  if (state.find(task) || (!standsIn && task > state.header.limits.tasks)) return `a task ${task} can't be created`;
  const creator = parent === 0 ? undefined : state.find(parent);
  if (standsIn ? !isStandInFor(state, creator, standsIn) : parent > 0 && (!creator || !isLive(creator)))
    return `there is no task ${parent} that could have made it`;
  if (event.depth !== (creator?.depth ?? 0) + 1) return "its depth is not its creator's and one";
  if (event.root && (state.header.root > 0 || parent > 0)) return "there is one root, and nobody made it";
  if (key !== undefined && state.keyOf(parent, key) !== undefined) return `the key ${key} is used twice`;
  if ((event.lineage ?? 0) > (state.header.lineageCount ?? 0)) return `there is no lineage ${event.lineage}`;
  if (new Set(after).size < after.length) return "a dependency is named twice";
  const missing = after.find((n) => !state.find(n));
  return missing === undefined ? undefined : `there is no task ${missing}`;
}

/** Its parent has fallen back to it, or is undone by it (Z1, Z3 of fallbacks.ts). */
function isStandInFor(
  state: RunState,
  task: Task | undefined,
  { why, seq }: NonNullable<EventOf<"task_created">["stands_in"]>,
): boolean {
  if (!task?.scope?.onFailure || standInOf(state, task)) return false;
  if (why === "fallback") return hasFallenBack(task) && task.phase.seq === seq;
  return task.phase.state === "succeeded" && task.phase.seq === seq;
}

function fallingBack(state: RunState, event: EventOf<"task_fell_back">): Objection {
  const task = state.task(event.task);
  return isLive(task) && mayFallBack(state, task) ? unread(state, event) : "it has no fallback";
}

/** Of tasks that have not ended and are in no other, with one more than none required. */
function grouping(state: RunState, { members, require, followers = [] }: EventOf<"group_created">): Objection {
  const all = members.map((n) => state.task(n));
  if (all.some((task) => !isLive(task) || task.scope?.group !== undefined))
    return "a member is in a group, or has ended";
  if (members.length === 0 || new Set(members).size < members.length) return "a group has members, each once";
  if (require > members.length) return "it requires more than it has";
  return followers.every((n) => members.every((member) => state.task(n).after.includes(member)))
    ? undefined
    : "a task that comes after a group depends on its members";
}

function waiting(state: RunState, event: EventOf<"call_waiting">): Objection {
  const task = state.task(event.task);
  if (task.phase.state !== "running") return "only who runs begins to wait";
  if (hasCall(task, event.call)) return "that call was made before";
  const { want } = event;
  if (event.ask !== undefined && !isExternal(want)) return "only who waits for somebody outside asks";
  if (event.remote) return callOfTool(state, event);
  if (!want) return undefined;
  for (const name of want.names) {
    const other = otherKind(state, name, lineKindOf(want));
    if (other) return other;
  }
  if (want.kind === "semaphore" && !state.blocking.facts.has(want.names[0])) return "there is no such semaphore";
  return undefined;
}

/** It always times out (M3 of remote-calls.ts), and stands in place of all else that a call may wait for. */
function callOfTool(state: RunState, { targets, want, until }: EventOf<"call_waiting">): Objection {
  if (targets.length > 0 || want) return "a call waits for one thing";
  if (!until) return "a call of a tool times out";
  return state.openCalls.size < openToolCallsMax ? undefined : `more than ${openToolCallsMax} open calls`;
}

function ofOpenCall(
  state: RunState,
  { task, call: id }: { readonly task: number; readonly call: string },
  is: (call: OpenCall) => boolean,
): Objection {
  const call = state.task(task).calls.find((one) => one.id === id);
  return call && isOpenCall(call) && is(call) ? undefined : "there is no such open call, or it is not at that";
}

/** The oldest leave the inbox first (M1 of inbox.ts). */
function shown(state: RunState, { task, messages = [] }: EventOf<"turn">): Objection {
  const { inbox } = state.task(task);
  return messages.every((seq, i) => inbox[i]?.seq === seq) ? undefined : "it shows messages that do not wait";
}

function unread(state: RunState, event: { readonly task: number; readonly unread?: readonly number[] }): Objection {
  const waiting = new Set(state.task(event.task).inbox.map(({ seq }) => seq));
  return event.unread?.every((seq) => waiting.has(seq)) === false ? "it names messages that do not wait" : undefined;
}

function received(state: RunState, event: EventOf<"message_received">): Objection {
  const task = state.task(event.task);
  if (!isWorking(task)) return "its work is done";
  const messages = messagesTo(task);
  const bytes = messages.reduce((sum, one) => sum + one.bytes, event.bytes);
  return messages.length < inboxMessagesMax && bytes <= inboxBytesMax ? undefined : "more messages than an inbox holds";
}

function noted(state: RunState, event: EventOf<"budget_noted">): Objection {
  const task = state.task(event.task);
  if (!isWorking(task)) return "its work is done";
  return task.inbox.length - messagesTo(task).length < budgetsNotedMax
    ? undefined
    : "more notes than there are budgets";
}

function compaction(state: RunState, { task: n, fence, from }: EventOf<"context_compacted">): Objection {
  const task = state.task(n);
  const { phase } = task;
  if (phase.state !== "running" || phase.fence !== fence) return "only who runs has a context that is cut";
  return from === (task.head ?? task.base) ? undefined : "that is not its context";
}

/** The first reader has an open lease, and there is one at a time (H1 of warming.ts). */
function warming(state: RunState, { task: n, fence, lineage: of }: EventOf<"cache_warming">): Objection {
  const task = state.task(n);
  const { phase } = task;
  if (phase.state !== "running" || phase.fence !== fence || lineageOf(task) !== of)
    return "it does not read that prefix";
  const lineage = findLineage(state, of);
  return lineage?.warmer === 0 ? undefined : "its siblings are held already, or nobody follows it";
}

function ending(state: RunState, event: EventOf<"task_ended">): Objection {
  const task = state.task(event.task);
  if (!isLive(task)) return "a task ends once in a generation";
  const unseen = unread(state, event);
  if (unseen || event.result_seq === undefined) return unseen;
  const { phase } = task;
  const from = hasFallenBack(task) ? standInOf(state, task)?.phase : phase;
  const seq = from && "seq" in from ? from.seq : 0;
  const there = hasFallenBack(task) ? from?.state === "succeeded" : phase.state === "parked" && phase.on === "children";
  return there && seq === event.result_seq ? undefined : "its result is not there";
}

function retrying(state: RunState, { task: n, from }: EventOf<"task_retried">): Objection {
  const task = state.task(n);
  if (!isEnded(task)) return "only what has ended is retried";
  if (!from) return undefined;
  if (from.turn > task.turns) return "it has not so many turns";
  return from.calls?.every(({ seq }) => seq < state.header.seq) === false ? "answers that are not there" : undefined;
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
