/**
 * Redaction of a run (`redact`): what tells about it has none of its texts. Those who do its work see all, as they must.
 *
 * RD1. Every free text of an event is replaced by a marker; a title is left out, since a task's key or id names it as well. Names
 *     (keys, variables, tools, pools, workers, the run's own), codes and numbers stay: without them nobody could say what waits
 *     for what.
 * RD2. Which fields have texts is decided for every type of event, so that a new one can't be forgotten.
 * RD3. Nothing is lost: the log, and the run's file, have the texts. Who may read those is who may read the contexts.
 */

import { digestOf, noDigest } from "../context/line-digest.ts";
import type { ErrorData, SchedulerEvent, StandInTerms, VariableUse } from "./events.ts";

export const redactedText = "[redacted]";

type TextField = "title" | "labels" | "error" | "reason" | "on_failure" | "uses" | "ask";

export const redactedLabels = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.keys(labels).map((name) => [name, redactedText]));

const redactedTerms = ({ title: _, labels, ...terms }: StandInTerms): StandInTerms => ({
  ...terms,
  ...(labels && { labels: redactedLabels(labels) }),
});

/**
 * Keys of maps may be any text: each is told by a digest, so that whoever compares them finds what is the same. Of ranges between
 * keys the digests would say nothing: such a use is told as one of all of them.
 */
function redactedUse({ prefix: _, from, to, key, ...use }: VariableUse): VariableUse {
  return {
    ...use,
    ...(key !== undefined && { key: typeof key === "string" ? digestOf(noDigest, key).slice(0, 16) : key }),
    ...(typeof from === "number" && { from }),
    ...(typeof to === "number" && { to }),
  };
}

/** RD2 */
const texts: { readonly [Type in SchedulerEvent["type"]]: readonly TextField[] } = {
  // `reason` may be what somebody wrote who cancelled it.
  run_ended: ["reason"],
  task_created: ["title", "labels", "on_failure"],
  task_fell_back: ["error"],
  attempt_ended: ["error"],
  task_ended: ["error"],
  tool_call_attempt_ended: ["error"],
  // Messages of findings are Heddle's own, made of names and numbers.
  finding: [],
  run_created: [],
  run_imported: [],
  context_appended: [],
  task_ready: [],
  task_held: [],
  task_started: [],
  tokens_reserved: [],
  turn: [],
  context_compacted: [],
  message_received: [],
  budget_noted: [],
  call_waiting: ["ask"],
  tool_call_started: [],
  tool_call_ready: [],
  tool_call_progress: [],
  call_done: [],
  call_blocked: [],
  task_parked: [],
  task_observed: [],
  task_retried: [],
  lineage_begun: [],
  cache_warming: [],
  cache_released: [],
  run_paused: [],
  run_resumed: [],
  limits_changed: [],
  run_reopened: [],
  stall_extended: [],
  lock_granted: [],
  lock_released: [],
  semaphore_created: [],
  permits_granted: [],
  permits_released: [],
  barrier_tripped: [],
  barrier_broken: [],
  queue_created: [],
  messages_pushed: [],
  messages_popped: [],
  queue_closed: [],
  future_settled: [],
  actor_opened: [],
  actor_ended: [],
  variable_created: [],
  variables_used: ["uses"],
  late_refused: [],
  group_created: [],
  group_decided: [],
  run_failing: [],
  run_retained: [],
  // Settings of whoever owns the run, and numbers.
  rules_set: [],
  rule_fired: [],
  rule_cleared: [],
  worker_load: [],
  seat_target: [],
  seat_opened: [],
  seat_closed: [],
  availability_changed: [],
  webhook_set: [],
  webhook_off: [],
};

/** The event as it may be shown (RD1); itself, where it has no text. */
export function redacted<Event extends SchedulerEvent>(event: Event): Event {
  const fields = texts[event.type];
  if (fields.length === 0) return event;
  const shown: Record<string, unknown> = { ...event };
  for (const field of fields) {
    const value = shown[field];
    if (value === undefined) continue;
    if (field === "title") delete shown.title;
    else if (field === "ask") shown.ask = redactedText;
    else if (field === "labels") shown.labels = redactedLabels(value as Record<string, string>);
    else if (field === "uses") shown.uses = (value as readonly VariableUse[]).map(redactedUse);
    else if (field === "on_failure") shown.on_failure = redactedTerms(value as StandInTerms);
    else if (field === "error") shown.error = { ...(value as ErrorData), message: redactedText };
    // Of other ends it is a code.
    else if (shown.status === "cancelled") shown.reason = redactedText;
  }
  return shown as Event;
}
