/** Why a task ended that ended because of another, as the log tells it. */

import { describe, expect, test } from "vitest";
import { type Because, causesOf } from "../../src/scheduler/causes.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { Run, states } from "./run.ts";

function causes(run: Run, task: Task, most = 8): Because[] {
  const ended = run.log.findLast(({ event }) => event.type === "task_ended" && event.task === task.n)!;
  const read = ({ event, causes: seqs }: (typeof run.log)[number]) => ({ ...event, causes: seqs });
  return causesOf(read(ended) as never, most, {
    event: (seq) => {
      const found = run.log.find((one) => one.seq === seq);
      return found && read(found);
    },
    task: (n) => run.state.task(n),
  });
}
const told = (list: readonly Because[]) => list.map(({ task, state, error }) => [task, state, error?.code]);
const chain = { a: { key: "a" }, b: { key: "b", after: ["a"] }, c: { key: "c", after: ["b"] } };

describe("[E5] each cause is told as it was at that end", () => {
  test("down a chain of skips to the first failure", () => {
    const run = new Run();
    const [a, b, c] = run.post(chain.a, chain.b, chain.c);
    run.fail(a!);
    const code = run.endOf(a!)!.error!.code;
    expect(told(causes(run, c!))).toEqual([
      [b!.n, "skipped", "dependency_failed"],
      [a!.n, "failed", code],
    ]);
    expect(causes(run, a!)).toEqual([]);
  });

  test("down the tree, and out of it to a dependent", () => {
    const run = new Run();
    const [p] = run.post({ key: "p" });
    const [child] = run.make(run.start(p!), { key: "child" });
    const [grandchild] = run.make(run.start(child!), {});
    run.cancel(p!);
    expect(told(causes(run, grandchild!))).toEqual([
      [child!.n, "cancelled", "parent_ended"],
      [p!.n, "cancelled", "cancelled"],
    ]);
  });

  test("of a task posted beside a root: the root, though it succeeded", () => {
    const run = new Run();
    const root = run.root();
    const [sibling] = run.post({ key: "sibling" });
    run.succeed(root);
    expect(run.endOf(sibling!)?.error?.code).toBe("run_ended");
    expect(told(causes(run, sibling!))).toEqual([[root.n, "succeeded", undefined]]);
  });

  test("of a dependency that had ended before", () => {
    const run = new Run();
    const [a] = run.post(chain.a);
    run.fail(a!);
    const [b] = run.post(chain.b);
    expect(told(causes(run, b!))).toEqual([[a!.n, "failed", run.endOf(a!)!.error!.code]]);
  });

  test("though the cause was retried since and has succeeded", () => {
    const run = new Run();
    const [p] = run.post({ key: "p" });
    const [child] = run.make(run.start(p!), {});
    run.fail(p!);
    const before = told(causes(run, child!));
    expect(before).toEqual([[p!.n, "failed", run.endOf(p!)!.error!.code]]);
    run.step((step) => retryTask(step, p!));
    run.succeed(p!);
    expect(states(p!, child!)).toBe("succeeded cancelled");
    expect(told(causes(run, child!))).toEqual(before);
  });

  test("an old log that names no event: as the cause is now", () => {
    const run = new Run();
    const [a] = run.post(chain.a);
    run.fail(a!);
    const [b] = run.post(chain.b);
    const ended = { ...run.endOf(b!)!, causes: [] };
    const event = (seq: number) => run.log.find((one) => one.seq === seq)?.event;
    const task = (n: number) => run.state.task(n);
    expect(told(causesOf(ended, 8, { event, task }))).toEqual([[a!.n, "failed", run.endOf(a!)!.error!.code]]);
    run.step((step) => retryTask(step, a!));
    expect(told(causesOf(ended, 8, { event, task }))).toEqual([[a!.n, "ready", undefined]]);
  });
});

test("[E6] the chain is bounded, and the last one told names what it follows from", () => {
  const run = new Run();
  const made = run.post(
    ...Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, ...(i > 0 && { after: [`k${i - 1}`] }) })),
  );
  run.fail(made[0]!);
  const found = causes(run, made[9]!, 3);
  expect(found.map(({ task }) => task)).toEqual([9, 8, 7]);
  expect(found.map(({ because }) => because?.task)).toEqual([8, 7, 6]);
});
