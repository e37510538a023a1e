/** The fields that an imported log may have are the scheduler's own: a field or an event that one side lacks does not compile. */

import { expect, test } from "vitest";
import { loggedBodies, loggedEvents } from "../../src/contract/logged-events.ts";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";

type Type = SchedulerEvent["type"];
type Of<T extends Type> = Extract<SchedulerEvent, { type: T }>;
type KeysOf<T> = T extends unknown ? keyof T : never;
type Listed<T extends Type> = keyof (typeof loggedEvents)[T]["shape"];

/** never, when both sides have the same. */
type Unlisted = { [T in Type]: Exclude<KeysOf<Of<T>>, Listed<T> | "type"> }[Type];
type Unknown = { [T in Type]: Exclude<Listed<T>, KeysOf<Of<T>>> }[Type];
const differences: { unlisted: Unlisted[]; unknown: Unknown[]; events: Exclude<keyof typeof loggedEvents, Type>[] } = {
  unlisted: [],
  unknown: [],
  events: [],
};
const isComplete: [Unlisted | Unknown | Exclude<keyof typeof loggedEvents, Type>] extends [never] ? true : false = true;

test("every event of the scheduler is listed with all of its fields, and no other", () => {
  expect(differences).toEqual({ unlisted: [], unknown: [], events: [] });
  expect(isComplete).toBe(true);
  for (const type of Object.keys(loggedBodies)) expect(Object.keys(loggedEvents)).toContain(type);
});

test("unknown fields are refused", () => {
  expect(loggedEvents.run_resumed.safeParse({ type: "run_resumed" }).success).toBe(true);
  expect(loggedEvents.run_resumed.safeParse({ type: "run_resumed", more: 1 }).success).toBe(false);
});
