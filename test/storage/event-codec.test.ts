import { describe, expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { packEvent, unpackEvents } from "../../src/storage/run/event-codec.ts";

const created: SchedulerEvent = {
  type: "task_created",
  task: 7,
  parent: 0,
  depth: 1,
  pool: "hosted",
  priority: 5,
  timeout_ms: 86_400_000,
  retry_limit: 2,
  backoff_ms: 1000,
  max_turns: 50,
  snapshot: "s",
  fork: "full",
};

describe("stored events", () => {
  test("come back as they were, usual values and others", () => {
    const events: SchedulerEvent[] = [
      created,
      { ...created, task: 8, key: "k", parent: 7, depth: 2, pool: "box", priority: 0, max_turns: 0, fork: "none" },
      { type: "task_started", task: 7, fence: 1, attempt: 1, worker: "w", hosted: true },
      { type: "task_started", task: 7, fence: 2, attempt: 2, worker: "w" },
      { type: "task_ended", task: 7, state: "succeeded" },
      { type: "task_ended", task: 8, state: "failed", error: { code: "max_turns", message: "m" } },
      { type: "turn", task: 7, fence: 1, turn: 1, snapshot: "s", usage: { in: 0, out: 0, read: 0, write: 0 } },
      { type: "turn", task: 7, fence: 1, turn: 2, snapshot: "s", usage: { in: 9, out: 1, read: 0, write: 8 } },
      { type: "run_resumed" },
    ];
    const text = `[${events.map((event, i) => packEvent(event, i % 2 ? [i] : [])).join(",")}]`;
    expect(unpackEvents(text)).toEqual(events.map((event, i) => (i % 2 ? { ...event, causes: [i] } : event)));
  });

  test("of a usual task hold only what is its own", () => {
    expect(packEvent(created, [])).toBe('{"type":"task_created","task":7,"snapshot":"s"}');
  });

  test("of older versions, with every field, are read as they are", () => {
    expect(unpackEvents(JSON.stringify([created]))).toEqual([created]);
  });
});
