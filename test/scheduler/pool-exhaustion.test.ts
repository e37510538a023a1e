import { expect, test } from "vitest";
import { pop } from "../../src/scheduler/message-queues.ts";
import { beginRemoteCall } from "../../src/scheduler/remote-calls.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { findings, mayAct, started } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run } from "./run.ts";

const desk = { pool: "desk" };
const take = (run: Run, task: Task, { until = 0, external = false } = {}) =>
  run.step((step) => {
    pop(step, { task, call: "pop", until }, "q", { max: 1, external });
    const { fence } = (task as Leased).phase;
    step.emit({ type: "call_blocked", task: task.n, fence, blocked: true });
  });
/** A task in the same place that has called a remote tool. */
const ask = (run: Run, task: Leased) =>
  run.step((step) => {
    const call = { id: "c", tool: "shell", pool: "box", timeoutMs: 20_000, retryLimit: 0, arguments: "{}" };
    beginRemoteCall(step, task, call);
    step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: true });
  });
const newRun = () => new Run({ pools: ["desk"], stallMs: 1000 });

test("a pool whose leases all wait while its ready tasks find no worker is told of after stall_ms, once", () => {
  const run = newRun();
  const [a, b] = started(run, 2, desk) as [Leased, Leased];
  const [ready] = run.post(desk);
  take(run, a);
  take(run, b);
  checkState(run.state, run.now);
  run.clock(999);
  expect(findings(run)).toEqual([]);
  run.clock(1);
  run.clock(5000);
  expect(run.events("finding")).toMatchObject([{ kind: "pool_exhausted", subjects: [a.n, b.n] }]);
  // A worker may still come: nobody's wait is ended.
  expect([mayAct(a), mayAct(b)]).toEqual([false, false]);
  // With nothing ready it is a stall, and with the next ready one a full pool again.
  run.complete(run.start(ready!));
  run.post(desk);
  run.clock(1000);
  expect(findings(run)).toEqual(["pool_exhausted", "stall", "pool_exhausted"]);
});

test.each<[string, (run: Run) => void]>([
  ["a wait that is declared external", (run) => take(run, started(run, 1, desk)[0]!, { external: true })],
  ["a wait that ends by itself", (run) => take(run, started(run, 1, desk)[0]!, { until: run.now + 20_000 })],
  [
    "a call of a remote tool that is open ([M9])",
    (run) => {
      const [a, b] = started(run, 2, desk) as [Leased, Leased];
      take(run, a);
      ask(run, b);
    },
  ],
  ["no lease at all: a pool that nobody serves", () => undefined],
  ["somebody who goes on", (run) => [take(run, started(run, 1, desk)[0]!), started(run, 1, desk)]],
  ["a hosted task that is ready", (run) => [take(run, started(run, 1, desk)[0]!), run.post({})]],
])("it is none with %s", (_, make) => {
  const run = newRun();
  run.post(desk);
  make(run);
  run.clock(1000);
  run.clock(1000);
  expect(findings(run)).toEqual([]);
});
