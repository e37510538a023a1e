import { expect, test } from "vitest";
import { plainTask } from "../../src/scheduler/task-record.ts";
import { packTask, unpackTask } from "../../src/storage/run/task-codec.ts";
import { Run } from "../scheduler/run.ts";

test("a task comes back from a checkpoint as it went in", () => {
  const run = new Run();
  const [task] = run.post({ priority: 7 });
  run.start(task!);
  expect(unpackTask(JSON.parse(JSON.stringify(packTask(task!))) as Record<string, unknown>)).toEqual(plainTask(task!));
});
