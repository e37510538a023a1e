/**
 * Events as rows of the log hold them: fields at their usual value are left out, since those of most tasks are.
 * What is usual is part of the stored form: an entry here never changes, and one is only added for a field that every
 * event of its type has had from the first.
 */

import type { SchedulerEvent } from "../../scheduler/events.ts";
import { upcast, versionOf } from "./upcast.ts";

export type LoggedEvent = SchedulerEvent & { causes?: readonly number[] };

type Fields = Readonly<Record<string, unknown>>;

const usualOf: Partial<Record<SchedulerEvent["type"], Fields>> = {
  task_created: {
    parent: 0,
    depth: 1,
    pool: "hosted",
    priority: 5,
    timeout_ms: 86_400_000,
    retry_limit: 2,
    backoff_ms: 1000,
    max_turns: 50,
    fork: "full",
  },
  task_started: { attempt: 1 },
  task_ended: { state: "succeeded" },
  turn: { turn: 1 },
};
const usualUsage = { in: 0, out: 0, read: 0, write: 0 };

/** The event's JSON text. */
export function packEvent(event: SchedulerEvent, causes: readonly number[]): string {
  const usual = usualOf[event.type];
  const stored: Record<string, unknown> = usual ? without(event, usual) : { ...event };
  if (event.type === "turn") stored.usage = without(event.usage, usualUsage);
  if (causes.length > 0) stored.causes = causes;
  return JSON.stringify(withVersion(stored, event.type));
}

function withVersion(stored: Fields, type: SchedulerEvent["type"]): Fields {
  const v = versionOf(type);
  return v === 1 ? stored : { ...stored, v };
}

/** Its text has none of the fields that are as usual: they are undefined here, since a copy without them takes five times as long. */
function without(fields: object, usual: Fields): Record<string, unknown> {
  const stored: Record<string, unknown> = { ...fields };
  for (const name in usual) if (stored[name] === usual[name]) stored[name] = undefined;
  return stored;
}

/** A row's text with every field of every event: what leaves the run must be read by those who don't know what is usual. */
export const wholeEvents = (text: string): string =>
  JSON.stringify(unpackEvents(text).map(({ type, ...fields }) => withVersion({ type, ...fields }, type)));

/** The events of a row's text. */
export function unpackEvents(text: string): LoggedEvent[] {
  return (JSON.parse(text) as Fields[]).map((old) => {
    const stored = upcast(old) as unknown as LoggedEvent;
    const usual = usualOf[stored.type];
    const event = usual ? ({ ...usual, ...stored } as LoggedEvent) : stored;
    return event.type === "turn" ? { ...event, usage: { ...usualUsage, ...event.usage } } : event;
  });
}
