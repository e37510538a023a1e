/**
 * Events of older versions of the log, as the present code knows them. Whoever reads stored events, from a row or a file, has
 * them from here; nobody else knows an old form.
 *
 * E1. An event's `v` is its type's version; without one it is 1. Only this folder sees it.
 * E2. An upcast is pure, and leaves an event alone that has the newer form already: version 1 of what came before `v` has both.
 * E3. An event of a version that is not known is never guessed at: it is refused.
 */

import { Newer } from "../../errors/newer.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";

type Stored = Readonly<Record<string, unknown>>;
type Upcast = (event: Stored) => Stored;

/** `upcasts[type][i]` leads from version i + 1 to i + 2. One that was ever deployed never changes. */
const upcasts: Partial<Record<SchedulerEvent["type"], readonly Upcast[]>> = {
  // Locks were the first kind that blocks, and had a field of their own.
  call_waiting: [({ lock, ...event }) => (lock ? { ...event, want: { kind: "lock", ...lock } } : event)],
};

const stepsOf = (type: string): readonly Upcast[] =>
  Object.hasOwn(upcasts, type) ? upcasts[type as SchedulerEvent["type"]]! : [];

/** The version in which events of this type are written. */
export const versionOf = (type: string): number => stepsOf(type).length + 1;

const newerEvent = (type: string, v: unknown) =>
  new Newer(`${type} is of version ${JSON.stringify(v)}, this server reads up to ${versionOf(type)}.`);

/** The event in its present form, without `v`. @throws Newer */
export function upcast({ v = 1, ...event }: Stored): Stored {
  const type = String(event.type);
  if (!Number.isInteger(v) || (v as number) < 1 || (v as number) > versionOf(type)) throw newerEvent(type, v);
  return stepsOf(type)
    .slice((v as number) - 1)
    .reduce((old, step) => step(old), event as Stored);
}
