/** Which messages to a run's webhook its log implies, and what they say. Reads only. */

import { fitsUtf8 } from "../../contract/utf8.ts";
import { webhookResultBytesMax } from "../../limits.ts";
import { redactedLabels } from "../../scheduler/redaction.ts";
import type { LoggedEvent } from "../../storage/run/event-codec.ts";
import { messageId, messageText } from "../../webhooks/message.ts";
import { type WebhookType, webhookTypeOf } from "../../webhooks/types.ts";
import type { WebhookMessage } from "../seat-rpc.ts";
import { createdEventOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { eventView } from "./views.ts";

/** Events after `after` that the webhook tells of, in order; the others come without a type, so that a long look can end. */
export function* eventsToTell(
  run: LoadedRun,
  after: number,
  types: ReadonlySet<WebhookType>,
): Generator<{ readonly seq: number; readonly type: WebhookType | undefined }> {
  for (const row of run.store.log.rowsFrom(after + 1, -1)) {
    for (const [i, event] of row.events.entries()) {
      const seq = row.seq + i;
      const type = webhookTypeOf(event);
      if (seq > after) yield { seq, type: type && types.has(type) ? type : undefined };
    }
  }
}

/** The message of event `seq`; undefined where webhooks tell nothing of it. */
export function messageOf(run: LoadedRun, seq: number): WebhookMessage | undefined {
  const [row] = run.store.log.rowsFrom(seq, 1);
  const event = row?.events[seq - row.seq];
  const type = event && webhookTypeOf(event);
  if (!row || !type) return undefined;
  const { at } = row;
  const body = messageText({
    ...{ type, at, run: { id: run.id, name: run.state.header.name || null } },
    event: eventView(run, event, seq, at),
    ...("task" in event && { task: taskTold(run, event.task as number) }),
    ...resultTold(run, event, seq),
  });
  return { seq, type, id: messageId(run.id, seq), body };
}

function taskTold(run: LoadedRun, n: number) {
  const task = run.state.task(n);
  const { title = null, labels = {} } = createdEventOf(run, task);
  return {
    id: run.taskId(n),
    key: task.key ?? null,
    title: run.redact ? null : title,
    labels: run.redact ? redactedLabels(labels) : labels,
  };
}

function resultTold(run: LoadedRun, event: LoggedEvent, seq: number): { result?: { value: unknown } } {
  if (event.type !== "task_ended" || event.state !== "succeeded" || run.redact) return {};
  const body = run.store.log.body(event.result_seq ?? seq) as { result?: unknown } | undefined;
  const value = body?.result ?? null;
  return fitsUtf8(JSON.stringify(value), webhookResultBytesMax) ? { result: { value } } : {};
}
