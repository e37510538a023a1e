import { describe, expect, test } from "vitest";
import { createTasks } from "../../src/scheduler/create-tasks.ts";
import { finishRun } from "../../src/scheduler/run-commands.ts";
import { checkState } from "./check.ts";
import { newTaskOf, Run, states, why } from "./run.ts";

describe("dependencies", () => {
  test("[D1] a task waits for all of them", () => {
    const run = new Run();
    const [a, b, c] = run.post({ key: "a" }, { key: "b" }, { after: ["a", "b"] });
    run.succeed(b!);
    expect(states(c!)).toBe("waiting");
    run.succeed(a!);
    expect(states(c!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[D1] the event that makes it ready names the end that did", () => {
    const run = new Run();
    const [a, b, c] = run.post({ key: "a" }, { after: ["a"] }, { after: ["a"] });
    run.succeed(a!);
    const end = run.log.find(({ event }) => event.type === "task_ended")!;
    const readied = run.log.filter(({ event }) => event.type === "task_ready");
    expect(readied.map(({ event, causes }) => ["task" in event && event.task, causes])).toEqual([
      [b!.n, [end.seq]],
      [c!.n, [end.seq]],
    ]);
  });

  test("[C2] each name that a task says is looked up once, however often it is said", () => {
    const run = new Run();
    run.post({ key: "a" }, { key: "b" });
    const many = 1000;
    const asked: string[] = [];
    const spec = {
      after: new Array<string>(many).fill("a"),
      instructions: "{{b}} ".repeat(many),
      context: "{{b}} ".repeat(many),
    };
    const numberOf = (id: string) => void asked.push(id);
    const made = run.step((step) => createTasks(step, undefined, [{ ...newTaskOf(spec) }], numberOf));
    expect(made).toMatchObject({ ok: true, tasks: [{ after: [1, 2] }] });
    expect(asked).toEqual(["a", "b", "b"]);
  });

  test.each(["failed", "cancelled"])("[D2] one that %s skips the chain behind it, each by the one before", (how) => {
    const run = new Run();
    const [a, b, c, d] = run.post(
      { key: "a" },
      { key: "b", after: ["a"] },
      { key: "c", after: ["b"] },
      { after: ["c"] },
    );
    if (how === "failed") run.fail(a!);
    else run.cancel(a!);
    expect(states(a!, b!, c!, d!)).toBe(`${how} skipped skipped skipped`);
    expect([b!, c!, d!].map(why)).toEqual([1, 2, 3]);
    expect(run.endOf(d!)?.error).toMatchObject({ code: "dependency_failed", because: 3 });
    checkState(run.state, run.now);
  });

  test("[D3] under run it runs and has seen the failure", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { after: ["a"], on_dependency_failure: "run" });
    run.fail(a!);
    expect(states(b!)).toBe("ready");
    expect([a!.observed, run.state.header.unhandled]).toEqual([true, 0]);
  });

  test("[D3] under run a skipped one counts as well", () => {
    const run = new Run();
    const [a, , c] = run.post({ key: "a" }, { key: "b", after: ["a"] }, { after: ["b"], on_dependency_failure: "run" });
    run.fail(a!);
    expect(states(c!)).toBe("ready");
    expect(a!.observed).toBe(false);
  });

  test("[D4] after a task that has succeeded it is ready at once, after one that has failed skipped at once", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { key: "b" });
    run.succeed(a!);
    run.fail(b!);
    const made = run.post({ key: "c", after: ["b", "a"] }, { after: ["a"] }, { after: ["c"] });
    expect(states(...made)).toBe("skipped ready skipped");
    expect(made.map(why)).toEqual([b!.n, -1, made[0]!.n]);
    checkState(run.state, run.now);
  });

  test("[D4] created under run after the failure, it has seen it, so the run does not fail by it", () => {
    const run = new Run();
    const [a] = run.post({ key: "a" });
    run.fail(a!);
    const [b] = run.post({ after: ["a"], on_dependency_failure: "run" });
    expect(states(b!)).toBe("ready");
    run.succeed(b!);
    run.step((step) => finishRun(step, false));
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[G2] a chain of 10,000 is created in batches and skipped as a worklist", { timeout: 30_000 }, () => {
    const run = new Run();
    const tasks = [];
    for (let first = 0; first < 10_000; first += 1000) {
      const specs = Array.from({ length: 1000 }, (_, i) => {
        const n = first + i;
        return { key: `k${n}`, ...(n > 0 && { after: [`k${n - 1}`] }) };
      });
      tasks.push(...run.post(...specs));
    }
    run.fail(tasks[0]!);
    expect(run.state.header.counts).toMatchObject({ failed: 1, skipped: 9_999, waiting: 0 });
    // One event each for creation and end, and the start: nothing is decided twice.
    expect(run.log.length).toBe(1 + 10_000 + 10_000 + 1);
    expect(why(tasks[9_999]!)).toBe(9_999);
  });
});
