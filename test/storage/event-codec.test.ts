import { describe, expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { packEvent, unpackEvents, wholeEvents } from "../../src/storage/run/event-codec.ts";

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

describe("events of other versions", () => {
  const waiting = { type: "call_waiting", task: 7, call: "c", targets: [], mode: "all" } as const;
  const want = { kind: "lock", names: ["l"], mode: "shared" } as const;

  test("E1 those with an older form carry their version in the log, and nowhere else", () => {
    const text = packEvent({ ...waiting, want }, []);
    expect(JSON.parse(text)).toEqual({ ...waiting, want, v: 2 });
    expect(unpackEvents(`[${text}]`)).toEqual([{ ...waiting, want }]);
    expect(JSON.parse(wholeEvents(`[${text}]`))).toEqual([{ ...waiting, want, v: 2 }]);
  });

  test("E2 the lock of a call, as it was once, is what it wants; what had the newer form stays", () => {
    const { kind: _, ...lock } = want;
    const old = [{ ...waiting, lock }, { ...waiting, want }, waiting];
    const present = [{ ...waiting, want }, { ...waiting, want }, waiting];
    expect(unpackEvents(JSON.stringify(old))).toEqual(present);
    expect(JSON.parse(wholeEvents(JSON.stringify(old)))).toEqual(present.map((event) => ({ ...event, v: 2 })));
  });

  test.each([3, 0, 1.5, "2", null])("E3 one of version %j is refused", (v) => {
    expect(() => unpackEvents(JSON.stringify([{ ...waiting, v }]))).toThrow(/call_waiting is of version .* up to 2/);
    expect(() => unpackEvents(JSON.stringify([{ type: "run_resumed", v }]))).toThrow(/run_resumed .* up to 1/);
  });
});
