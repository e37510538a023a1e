/**
 * apply(state, event): the one place where a run's state changes. Total over logged events: it never refuses what this version can
 * write, so a log written once can always be replayed. What is allowed is decided before (decide files); what follows from what is decided
 * there too, as further events.
 *
 * Owns: what all events have in common, and which part applies which (`apply-*.ts`). A part finds the event's number and time in the header.
 */

import { Newer } from "../errors/newer.ts";
import { endActor, openActor } from "./apply-actors.ts";
import * as attempts from "./apply-attempts.ts";
import * as calls from "./apply-calls.ts";
import * as groups from "./apply-groups.ts";
import * as inbox from "./apply-inbox.ts";
import * as lineages from "./apply-lineages.ts";
import * as remote from "./apply-remote-calls.ts";
import * as run from "./apply-run.ts";
import * as tasks from "./apply-tasks.ts";
import * as variables from "./apply-variables.ts";
import { noteAvailability } from "./availability.ts";
import { settleChains } from "./chains.ts";
import type { EventOf, SchedulerEvent } from "./events.ts";
import * as rules from "./rules/apply-rules.ts";
import type { RunState } from "./state.ts";

/** After one of these somebody may go on, or fewer wait: a stall is over, or is another one. */
const endsStall: ReadonlySet<SchedulerEvent["type"]> = new Set([
  "task_ready",
  "task_created",
  "task_ended",
  "attempt_ended",
  "turn",
  "call_done",
]);

/** Told to those who read the log; the state has nothing of it. */
const onlyTold = (): void => undefined;

const parts: { readonly [Type in SchedulerEvent["type"]]: (state: RunState, event: EventOf<Type>) => void } = {
  run_created: run.create,
  run_retained: run.retain,
  run_imported: run.takeOver,
  context_appended: run.append,
  run_paused: run.pause,
  run_resumed: run.resume,
  run_failing: run.fail,
  run_ended: run.end,
  run_reopened: run.reopen,
  seat_target: run.share,
  finding: run.find,
  stall_extended: run.extendStall,

  task_created: tasks.create,
  task_held: tasks.hold,
  task_fell_back: tasks.fallBack,
  task_ended: tasks.end,
  task_observed: tasks.observe,
  task_retried: tasks.retry,

  task_ready: attempts.ready,
  task_started: attempts.start,
  tokens_reserved: attempts.reserveTokens,
  turn: attempts.logTurn,
  context_compacted: attempts.compact,
  call_blocked: attempts.block,
  task_parked: attempts.park,
  attempt_ended: attempts.end,
  message_received: inbox.receive,
  budget_noted: inbox.note,

  call_waiting: calls.waitInCall,
  call_done: calls.endCall,
  tool_call_started: remote.startCall,
  tool_call_attempt_ended: remote.endCallAttempt,
  tool_call_ready: remote.readyCall,
  tool_call_progress: remote.noteProgress,

  lock_granted: variables.grantLock,
  lock_released: variables.releaseLock,
  semaphore_created: variables.createSemaphore,
  permits_granted: variables.grantPermits,
  permits_released: variables.releasePermits,
  barrier_tripped: variables.endGeneration,
  barrier_broken: variables.endGeneration,
  queue_created: variables.createQueue,
  messages_pushed: variables.pushMessages,
  messages_popped: variables.popMessages,
  queue_closed: variables.closeQueue,
  future_settled: variables.settleFuture,
  actor_opened: openActor,
  actor_ended: endActor,

  group_created: groups.createGroup,
  group_decided: groups.decideGroup,
  lineage_begun: lineages.begin,
  cache_warming: lineages.warm,
  cache_released: lineages.release,
  limits_changed: rules.changeLimits,
  rules_set: rules.setRules,
  rule_fired: rules.fire,
  rule_cleared: rules.fire,
  worker_load: rules.noteLoad,
  availability_changed: noteAvailability,

  seat_opened: onlyTold,
  seat_closed: onlyTold,
  webhook_set: onlyTold,
  webhook_off: onlyTold,
  late_refused: onlyTold,
  variable_created: onlyTold,
  variables_used: onlyTold,
};

export function apply(state: RunState, event: SchedulerEvent, seq: number, at: number): void {
  const { header } = state;
  header.seq = seq;
  header.changedAt = at;
  if (header.stalledAt && endsStall.has(event.type)) header.stalledAt = 0;
  if (header.exhaustedAt && (event.type === "task_started" || endsStall.has(event.type))) header.exhaustedAt = 0;
  if (rules.modelCallIn(state, event)) header.modelCalls = (header.modelCalls ?? 0) + 1;
  if (header.rules) rules.observe(state, header.rules, event);
  if (event.type !== "task_created") settleChains(state);
  // The compiler knows no other; a log that a newer version went on with may.
  if (!Object.hasOwn(parts, event.type))
    throw new Newer(`The log has an event of the type ${event.type}, which this version does not know.`);
  (parts[event.type] as (state: RunState, event: SchedulerEvent) => void)(state, event);
}
