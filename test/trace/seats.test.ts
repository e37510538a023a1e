/** Seats over time, from a log made by hand. */

import { expect, test } from "vitest";
import { SeatFold } from "../../src/trace/seats.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";

const levels = (...events: readonly (readonly [at: number, event: object])[]) => {
  const fold = new SeatFold();
  for (const [i, [at, event]] of events.entries()) fold.add({ ...event, seq: i + 1, at } as TraceEvent);
  return fold.levels().map(({ at, open, share }) => [at, open, share]);
};

const starts = (task: number, worker: string) => ({
  type: "task_started",
  task,
  fence: task,
  attempt: 1,
  worker,
  hosted: true,
});

test("seats open and close, each at its time, under the share of that time", () => {
  expect(
    levels(
      [0, { type: "seat_opened", seat: "a" }],
      [10, { type: "seat_opened", seat: "b" }],
      [20, { type: "seat_target", seats: 1, why: "tenant" }],
      [40, { type: "seat_closed", seat: "b", why: "target", ago_ms: 15 }],
      [50, { type: "seat_target" }],
      [60, { type: "seat_closed", seat: "never seen", why: "idle" }],
      [70, { type: "run_ended", status: "succeeded" }],
    ),
  ).toEqual([
    [0, 1, undefined],
    [10, 2, undefined],
    [20, 2, 1],
    [25, 1, 1],
    [50, 1, undefined],
    [70, 0, undefined],
  ]);
});

test("a seat is gone with the lease that it lost, and stays where a task fails or ends", () => {
  const open = [
    [0, { type: "seat_opened", seat: "a" }],
    [0, starts(1, "a")],
  ] as const;
  const ends = (why: string) => levels(...open, [5, { type: "attempt_ended", task: 1, fence: 1, why }]).at(-1);
  expect(ends("lost")).toEqual([5, 0, undefined]);
  expect(ends("transient")).toEqual([0, 1, undefined]);
  const ended = { type: "task_ended", task: 1, state: "succeeded" };
  const other = { type: "attempt_ended", task: 1, fence: 9, why: "lost" };
  expect(levels(...open, [3, ended], [9, other]).at(-1)).toEqual([0, 1, undefined]);
});
