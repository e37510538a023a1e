/** What a webhook tells of: each type is one or more types of the run's log. */

import type { SchedulerEvent } from "../scheduler/events.ts";

export const webhookTypes = [
  "run.paused",
  "run.resumed",
  "run.succeeded",
  "run.failed",
  "run.cancelled",
  "run.reopened",
  "run.finding",
  "run.question",
  "task.created",
  "task.started",
  "task.succeeded",
  "task.failed",
  "task.cancelled",
  "task.skipped",
  "task.retried",
] as const;

/** What a message of a webhook tells of. */
export type WebhookType = (typeof webhookTypes)[number];

/** All of a run's, or all of its tasks'. */
export const webhookWildcards = ["run.*", "task.*"] as const;

/** What a webhook is to tell of: a type, or all of a run's, or of its tasks'. */
export type WebhookChoice = WebhookType | (typeof webhookWildcards)[number];

/** Where nobody chose: what somebody who waits for work wants to know. */
export const usualChoices: readonly WebhookChoice[] = [
  "run.*",
  "task.succeeded",
  "task.failed",
  "task.cancelled",
  "task.skipped",
];

export function typesChosen(choices: readonly WebhookChoice[]): ReadonlySet<WebhookType> {
  const isChosen = (type: WebhookType) =>
    choices.includes(type) || choices.includes(type.startsWith("run.") ? "run.*" : "task.*");
  return new Set(webhookTypes.filter(isChosen));
}

/** Undefined: webhooks do not tell of it. */
export function webhookTypeOf(event: SchedulerEvent): WebhookType | undefined {
  switch (event.type) {
    case "run_paused":
      return "run.paused";
    case "run_resumed":
      return "run.resumed";
    case "run_ended":
      return `run.${event.status}`;
    case "run_reopened":
      return "run.reopened";
    case "finding":
      return "run.finding";
    case "call_waiting": {
      const isAsked = event.task > 0 && event.want !== undefined && "external" in event.want && event.want.external;
      return isAsked ? "run.question" : undefined;
    }
    case "task_created":
      return "task.created";
    case "task_started":
      return "task.started";
    case "task_ended":
      return `task.${event.state}`;
    case "task_retried":
      return "task.retried";
    default:
      return undefined;
  }
}
