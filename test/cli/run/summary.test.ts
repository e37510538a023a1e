/** What is said of a run at its end: tasks that failed are found behind thousands that did not. */

import { expect, test } from "vitest";
import { summaryOf } from "../../../src/cli/run/summary.ts";
import { TaskCalls } from "../../../src/client/calls/task-calls.ts";
import type { Heddle } from "../../../src/client/heddle.ts";
import type { RunView, TasksPage, TaskView } from "../../../src/client/replies.ts";
import type { TasksQuery } from "../../../src/client/requests.ts";

const counts = { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 12_000, failed: 30, cancelled: 0, skipped: 0 };

test("the first ones that failed are told although pages before them are empty or short", async () => {
  const failed = Array.from({ length: 30 }, (_, i) => ({ id: `tsk_${i}` }) as TaskView);
  const pages: TasksPage[] = [
    { tasks: [], next_cursor: "5000" },
    { tasks: failed.slice(0, 3), next_cursor: "10000" },
    { tasks: failed.slice(3), next_cursor: null },
  ];
  const asked: (string | undefined)[] = [];
  const client = Object.assign(Object.create(TaskCalls.prototype) as Heddle, {
    listTasks: async (_: string, { cursor }: TasksQuery) => {
      asked.push(cursor);
      return pages[asked.length - 1]!;
    },
  });
  const run = { id: "run_1", root: null, counts } as unknown as RunView;
  const summary = await summaryOf(client, run);
  expect(summary.failed).toEqual(failed.slice(0, 20));
  expect(asked).toEqual([undefined, "5000", "10000"]);
});
