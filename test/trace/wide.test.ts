/** What a log of ordinary shape costs where one task has tens of thousands of children: a fold's time is linear in events, however they hang together. */

import { expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { CriticalPathFold } from "../../src/trace/critical-path.ts";
import { FindingsFold } from "../../src/trace/findings/findings.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";

const children = 60_000;

/** Task 1 creates them all, ends its own work, and ends after them. */
function* log(): Generator<TraceEvent> {
  let seq = 0;
  const event = (fields: object): TraceEvent => ({ ...(fields as SchedulerEvent), seq: ++seq, at: 1_000_000 + seq });
  const created = (task: number, parent: number) =>
    event({ type: "task_created", task, parent, depth: 1, pool: "hosted", priority: 5 });
  const numbers = Array.from({ length: children }, (_, i) => i + 2);
  yield created(1, 0);
  for (const n of numbers) yield created(n, 1);
  yield event({ type: "task_parked", task: 1, fence: 1, on: "children" });
  for (const n of numbers) yield event({ type: "task_ended", task: n, state: "succeeded", result_seq: 1 });
  yield event({ type: "task_ended", task: 1, state: "succeeded", result_seq: 1 });
  yield event({ type: "run_ended", status: "succeeded" });
}

test("the end of a task follows from the ends of all its children, in a time that they don't multiply", () => {
  const fold = new CriticalPathFold();
  for (const event of log()) fold.add(event);
  expect(fold.finish()?.slackMs.size).toBe(children + 1);
});

test("results that nobody read are told of all children at once", () => {
  const fold = new FindingsFold((n) => `T${n}`);
  for (const event of log()) fold.add(event);
  const [found] = fold.finish(2_000_000).filter(({ kind }) => kind === "never_awaited");
  expect(found?.message).toContain(`and ${children - 3} more`);
});
