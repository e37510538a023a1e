import { expect, test } from "vitest";
import { sendMessage } from "../../src/scheduler/inbox.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

function compactTask(run: Run, task: Task, last: number, dropped: number, replies: number): void {
  run.step((step) => {
    const { fence } = (task as Leased).phase;
    const from = task.head ?? task.base;
    const gone = { own: 2, dropped, replies };
    step.emit({ type: "context_compacted", task: task.n, fence, from, to: `c${last}`, last, ...gone });
    step.emit({ type: "task_ready", task: task.n, why: "given_back" });
  });
}

test("[X1] it goes on from the shorter context with its turns, answers and messages", () => {
  const run = new Run();
  const [task] = run.post({}) as [Task];
  run.start(task);
  run.turn(task);
  run.step((step) =>
    step.emit({ type: "call_done", task: task.n, call: "c", tool: "inspect", why: "answered" }, { text: "" }),
  );
  run.step((step) => sendMessage(step, task, "m", 1));
  compactTask(run, task, 4, 10, 3);
  expect(task).toMatchObject({ head: "c4", turns: 1, calls: [{ id: "c" }], inbox: [{ bytes: 1 }] });
  run.start(task);
  compactTask(run, task, 2, 5, 1);
  expect(task.window).toEqual({ last: 2, own: 2, dropped: 15, replies: 4 });
  checkState(run.state, run.now);
  run.succeed(task);
});

test("[X2] it has begun: a retried dependency leaves it what it was given, and it resumes before fresh tasks", () => {
  const run = new Run({ workers: 1 });
  const [a, task] = run.post({ key: "a" }, { after: ["a"] }) as [Task, Task];
  run.succeed(a);
  run.post({});
  run.start(task);
  compactTask(run, task, 1, 3, 0);
  run.step((step) => retryTask(step, a));
  expect(states(a, task)).toBe("ready ready");
  expect(run.lease()?.n).toBe(task.n);
});

test("[X2] a new generation begins with the whole context", () => {
  const run = new Run();
  const [task] = run.post({}) as [Task];
  run.start(task);
  compactTask(run, task, 1, 3, 0);
  run.fail(task);
  run.step((step) => retryTask(step, task));
  expect([task.head, task.window]).toEqual([undefined, undefined]);
});
