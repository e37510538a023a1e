import { expect, test } from "vitest";
import { headerOf } from "../../src/storage/run/checkpoints.ts";
import { packTask, unpackTask } from "../../src/storage/run/task-codec.ts";
import { Run } from "../scheduler/run.ts";

test("a task comes back from a checkpoint as it went in", () => {
  const run = new Run();
  const [task] = run.post({ priority: 7 });
  run.start(task!);
  expect(unpackTask(JSON.parse(JSON.stringify(packTask(task!))) as Record<string, unknown>)).toEqual(task);
});

test("checkpoints from before there were semaphores open: locks that are held, and waits for them", () => {
  const waiting = { id: "c", state: "waiting", seq: 9, targets: [], mode: "all", until: 0 };
  const lock = { names: ["l"], mode: "shared", since: 5 };
  const old = {
    n: 1,
    calls: [
      { ...waiting, lock },
      { ...waiting, id: "d" },
      { id: "e", state: "done", seq: 3 },
    ],
  };
  expect(unpackTask(old)).toMatchObject({
    permits: [],
    calls: [
      { ...waiting, since: 5, want: { kind: "lock", names: ["l"], mode: "shared" } },
      { ...waiting, id: "d", since: 0 },
      { id: "e", state: "done", seq: 3 },
    ],
  });
  const { header, facts } = headerOf(
    JSON.stringify({ status: "active", locks: { l: { token: 4, grants: 4, waitedMs: 1, heldMs: 2 } } }),
  );
  expect(header).toEqual({ status: "active" });
  expect(facts).toEqual([["l", { kind: "lock", token: 4, grants: 4, waitedMs: 1, heldMs: 2 }]]);
});
