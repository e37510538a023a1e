/** The text of a message: made of the event and of what never changes, so that every attempt at it has the same bytes. */

import type { RunId } from "../ids.ts";
import type { WebhookType } from "./types.ts";

/** One event is one message, so the run and its number name it. */
export const messageId = (run: RunId, seq: number): string => `msg_${run.slice("run_".length)}_${seq}`;

/** The event that a message of this run tells of; undefined for any other text. */
export function seqOf(run: RunId, id: string): number | undefined {
  const digits = /_(\d{1,15})$/.exec(id)?.[1];
  const seq = Number(digits);
  return digits !== undefined && id === messageId(run, seq) ? seq : undefined;
}

export interface Told {
  readonly type: WebhookType;
  readonly at: number;
  readonly run: { readonly id: RunId; readonly name: string | null };
  /** As the log shows it. */
  readonly event: object;
  readonly task?: {
    readonly id: string;
    readonly key: string | null;
    readonly title: string | null;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** Of a task that succeeded; absent where it is too large. */
  readonly result?: { readonly value: unknown };
}

export const messageText = ({ type, at, run, event, task, result }: Told): string =>
  JSON.stringify({
    type,
    timestamp: new Date(at).toISOString(),
    data: { run, event, ...(task && { task }), ...(result && { result: result.value }) },
  });
