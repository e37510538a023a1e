import { describe, expect, test, vi } from "vitest";
import { afterMax, dependenciesPerRunMax } from "../../src/limits.ts";
import { arrive } from "../../src/scheduler/barriers.ts";
import { findByKey } from "../../src/scheduler/create-tasks.ts";
import type { Limits } from "../../src/scheduler/events.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { cancelRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { Run, type Spec, states } from "./run.ts";

/** The batch is refused with the code and the paths, and nothing has changed. */
function refused(run: Run, creator: Task | undefined, specs: Spec[], code: string, ...paths: string[]): string {
  const before = structuredClone([run.state.header, [...run.state.tasks.values()], [...run.state.keys]]);
  const logged = run.log.length;
  const outcome = run.batch(creator, specs);
  expect(outcome).toMatchObject({ ok: false, refusal: { code } });
  if (outcome.ok) throw new Error("unreachable");
  expect((outcome.refusal.errors ?? []).map((error) => error.path)).toEqual(paths);
  expect(run.log.length).toBe(logged);
  expect([run.state.header, [...run.state.tasks.values()], [...run.state.keys]]).toEqual(before);
  return outcome.refusal.detail;
}

const after = (...names: string[]): Spec => ({ after: names });

describe("a batch", () => {
  test("[C1] numbers its tasks in the order given, whatever their dependencies", () => {
    const run = new Run();
    const [last, first] = run.post({ key: "last", after: ["first"] }, { key: "first" });
    expect([last!.n, first!.n]).toEqual([1, 2]);
    expect(last!.after).toEqual([2]);
    expect(states(last!, first!)).toBe("waiting ready");
    checkState(run.state, run.now);
  });

  test("[C1] tells the longest chain inside it", () => {
    const run = new Run();
    const outcome = run.batch(undefined, [
      { key: "a" },
      { key: "b", after: ["a"] },
      { key: "c", after: ["b"] },
      { key: "d" },
    ]);
    expect(outcome).toMatchObject({ ok: true, criticalPath: 3 });
  });

  test("[C2] references are dependencies behind those of after, once each, forward ones too", () => {
    const run = new Run();
    const [a, b] = run.post(
      { key: "a", after: ["c"], instructions: "{{b.x.0}} and {{c}} and {{b}}", context: "see {{d}}" },
      { key: "b" },
      { key: "c" },
      { key: "d" },
    );
    expect(a!.after).toEqual([3, 2, 4]);
    expect(b!.dependents).toEqual([1]);
  });

  test("[C2] references stand in context messages, and are text inside a sim block or behind {{{{", () => {
    const run = new Run();
    const sim = '```sim\n{"turns":[{"text":"{{nobody}}"}]}\n```';
    const [, b] = run.post(
      { key: "a" },
      { instructions: `{{{{nobody}}\n${sim}`, context: { messages: ['{"role":"user","content":"{{a}}"}'] } as never },
    );
    expect(b!.after).toEqual([1]);
  });

  test("[C3] a key resolves in the batch, then with the creator, then upwards, then with the run", () => {
    const run = new Run({ depth: 9 });
    const [posted, top] = run.post({ key: "x" }, { key: "top" });
    const creator = run.start(top!);
    const [mid] = run.make(creator, { key: "mid" });
    const [fromRun] = run.make(run.start(mid!), after("x"));
    expect(fromRun!.after).toEqual([posted!.n]);
    const [ofTop] = run.make(creator, { key: "x" });
    const [fromTop] = run.make(mid, after("x"));
    expect(fromTop!.after).toEqual([ofTop!.n]);
    const [ofMid] = run.make(mid, { key: "x" });
    const [fromMid] = run.make(mid, after("x"));
    expect(fromMid!.after).toEqual([ofMid!.n]);
    const below = run.start(run.make(mid, {})[0]!);
    const [inBatch, fromBatch] = run.make(below, { key: "x" }, after("x"));
    expect(fromBatch!.after).toEqual([inBatch!.n]);
    expect(findByKey(run.state, undefined, "x")).toBe(posted!.n);
    expect(findByKey(run.state, creator, "x")).toBe(ofTop!.n);
  });

  test("[C3] a key of another task's children is not to be named, their id is", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    const [hidden] = run.make(run.start(a!), { key: "hidden" });
    refused(run, run.start(b!), [after("hidden")], "unknown_task", "tasks[0].after[0]");
    expect(run.make(b, after(`T${hidden!.n}`))[0]!.after).toEqual([hidden!.n]);
  });

  test("[C4] a key used twice", () => {
    const run = new Run();
    run.post({ key: "a" });
    refused(run, undefined, [{ key: "b" }, { key: "c" }, { key: "b" }], "duplicate_key", "tasks[2].key");
    refused(run, undefined, [{ key: "b" }, { key: "a" }], "duplicate_key", "tasks[1].key");
    expect(run.make(run.start(run.state.task(1)), { key: "a" })).toHaveLength(1);
  });

  test("[C4] an unknown name, in after, instructions and context", () => {
    const run = new Run();
    refused(run, undefined, [{}, after("gone")], "unknown_task", "tasks[1].after[0]");
    refused(run, undefined, [{ instructions: "{{gone}}" }], "unknown_task", "tasks[0].instructions");
    refused(run, undefined, [{ context: "{{gone}}" }], "unknown_task", "tasks[0].context");
    refused(run, undefined, [after("T7")], "unknown_task", "tasks[0].after[0]");
  });

  test("[C4] an ancestor, by key or id, and the task itself", () => {
    const run = new Run();
    const [top] = run.post({ key: "top" });
    const [mid] = run.make(run.start(top!), { key: "mid" });
    refused(run, run.start(mid!), [after("top")], "ancestor_dependency", "tasks[0].after[0]");
    refused(run, mid, [after(`T${mid!.n}`)], "ancestor_dependency", "tasks[0].after[0]");
    refused(run, mid, [{ key: "me", after: ["me"] }], "dependency_cycle", "tasks[0].after[0]");
    refused(run, mid, [{ detached: true, after: ["top"] }], "ancestor_dependency", "tasks[0].after[0]");
  });

  test("[C4] a cycle inside the batch, which the refusal names", () => {
    const run = new Run();
    const detail = refused(
      run,
      undefined,
      [
        { key: "ok" },
        { key: "a", after: ["c", "ok"] },
        { key: "b", after: ["a"] },
        { key: "c", instructions: "{{b}}" },
        { key: "behind", after: ["a"] },
      ],
      "dependency_cycle",
      "tasks[1].after",
      "tasks[3].after",
      "tasks[2].after",
    );
    expect(detail).toContain("a → c → b → a");
  });

  test("[C4] a child after a task that waits for its creator: by dependency, by await, through that task's children", () => {
    const run = new Run();
    const [p, byAfter, byAwait, byChild] = run.post({ key: "p" }, { after: ["p"] }, {}, {});
    run.start(p!);
    run.park(run.start(byAwait!), [p!]);
    run.make(run.start(byChild!), { after: ["p"] });
    for (const other of [byAfter, byAwait, byChild]) {
      refused(run, p, [{}, after(`T${other!.n}`)], "dependency_cycle", "tasks[1].after");
    }
    const [child] = run.make(p, {});
    refused(run, run.start(child!), [after(`T${byAfter!.n}`)], "dependency_cycle", "tasks[0].after");
  });

  test("[C4] a detached child may, but not when a child that is joined depends on it", () => {
    const run = new Run();
    const [p] = run.post({ key: "p" }, { key: "x", after: ["p"] });
    run.start(p!);
    refused(run, p, [{ key: "d", detached: true, after: ["x"] }, after("d")], "dependency_cycle", "tasks[1].after");
    const [free] = run.make(p, { key: "d", detached: true, after: ["x"] });
    expect(states(free!)).toBe("waiting");
    refused(run, p, [after("d")], "dependency_cycle", "tasks[0].after");
  });

  test("[C4] a child after a task that misses at a barrier who waits for its creator", () => {
    const run = new Run();
    const [waiter, p, missing] = run.post({}, { key: "p" }, { after: ["p"] }) as [Task, Task, Task];
    const members = [waiter.n, missing.n];
    run.start(waiter);
    run.step((step) => arrive(step, waiter, { call: "b", name: "b", parties: 2, members, until: 0 }));
    refused(run, run.start(p), [after(`T${waiter.n}`)], "dependency_cycle", "tasks[0].after");
  });

  test("[C4] a child costs as little after a long chain as of a creator that many wait for, and is refused in both", () => {
    const chainOf = (run: Run, first: Spec) =>
      run.post(...Array.from({ length: 1000 }, (_, i) => ({ ...(i > 0 ? after(`c${i - 1}`) : first), key: `c${i}` })));
    const looks = (run: Run, creator: Task, spec: Spec) => {
      const live = vi.spyOn(run.state, "live");
      run.make(creator, spec);
      const { length } = live.mock.calls;
      live.mockRestore();
      return length;
    };
    const before = new Run();
    const [creator] = before.post({ key: "p" });
    before.start(creator!);
    chainOf(before, {});
    // The first one lengthens the chain, as far as that counts (O2).
    before.make(creator!, after("c999"));
    expect(looks(before, creator!, after("c999"))).toBeLessThan(50);
    const behind = new Run();
    const [p, q] = behind.post({ key: "p" }, { key: "q" });
    behind.start(p!);
    const last = chainOf(behind, after("p")).at(-1)!;
    expect(looks(behind, p!, after("q"))).toBeLessThan(50);
    refused(behind, p!, [after("q", `T${last.n}`)], "dependency_cycle", "tasks[0].after");
    expect(states(q!)).toBe("ready");
  });

  test("[C4] a creator may have more who wait for it than a call has arguments", () => {
    const run = new Run();
    const [p, waiter] = run.post({ key: "p" }, {}, { key: "q" });
    run.await(run.start(waiter!), [run.start(p!)]);
    // Once for each mention; a run has room for more tasks than this.
    p!.awaiters = new Array<number>(150_000).fill(waiter!.n);
    expect(states(...run.make(p!, after("q")))).toBe("waiting");
  });

  test("[C4] not one after a task that its creator can let go on, or another, or time", () => {
    const run = new Run();
    const [p, locked, any, timed, other] = run.post({}, {}, {}, {}, {}) as [Task, Task, Task, Task, Task];
    for (const task of [p, locked, any, timed]) run.start(task);
    for (const task of [p, locked])
      run.step((step) => acquire(step, task, { call: "l", names: ["l"], mode: "exclusive", until: 0 }));
    run.park(any, [p, other], "any");
    run.park(timed, [p], "all", run.now + 1000);
    const [child] = run.make(p, { after: [locked, any, timed].map(({ n }) => `T${n}`) }) as [Task];
    run.giveBack(locked);
    run.complete(p);
    run.succeed(other);
    expect(states(locked, any, timed, child)).toBe("ready ready parked waiting");
    run.clock(1000);
    run.succeed(locked, any, timed, child);
    expect(states(p)).toBe("succeeded");
  });

  test("[C5] more than the run, the depth or the creator allows", () => {
    const limits: Partial<Limits> = { tasks: 6, depth: 2, children: 2 };
    const run = new Run(limits);
    const [p] = run.post({});
    run.start(p!);
    refused(run, p, [{}, {}, {}], "limit_children");
    const [child] = run.make(p, {});
    refused(run, p, [{}, {}], "limit_children");
    refused(run, run.start(child!), [{}], "limit_depth");
    refused(run, undefined, [{}, {}, {}, {}, {}], "limit_tasks");
    expect(run.post({}, {}, {}, {})).toHaveLength(4);
    refused(run, undefined, [{}], "limit_tasks");
  });

  test("[C5] children count in the creator's generation only", () => {
    const run = new Run({ children: 1 });
    const [p] = run.post({});
    run.make(run.start(p!), {});
    run.cancel(p!);
    run.step((step) => retryTask(step, p!));
    expect(run.make(run.start(p!), {})).toHaveLength(1);
  });

  test("[C5] another pool than the creator's and those of the run; tasks posted from outside may name any", () => {
    const run = new Run({ pools: ["laptop"] });
    const [p] = run.post({ pool: "mine" });
    run.start(p!);
    refused(run, p, [{}, { pool: "hosted" }], "pool_not_allowed", "tasks[1].pool");
    expect(run.make(p, { pool: "laptop" }, { pool: "mine" }, {}).map((task) => task.pool)).toEqual([
      "laptop",
      "mine",
      "mine",
    ]);
  });

  test("[C5] more dependencies than one task may have", () => {
    const run = new Run();
    const all = Array.from({ length: afterMax }, (_, i) => ({ key: `k${i}` }));
    // A join of a whole batch is none too many.
    const [join] = run.post(...all.slice(1), { after: all.slice(1).map(({ key }) => key) }).slice(-1);
    expect(join!.after).toHaveLength(afterMax - 1);
    run.post(all[0]!, { key: "one" });
    const names = [...all.map(({ key }) => key), "one"];
    const instructions = names.map((name) => `{{${name}}}`).join();
    refused(run, undefined, [{ instructions }], "validation_failed", "tasks[0].after");
  });

  test("[C5] more dependencies than a run's tasks may have in all", () => {
    const run = new Run();
    run.post({ key: "a" }, { key: "b" }, { after: ["a", "b"] });
    expect(run.state.header.dependencies).toBe(2);
    run.state.header.dependencies = dependenciesPerRunMax - 1;
    const detail = refused(run, undefined, [after("a"), after("a")], "validation_failed", "tasks");
    expect(detail).toContain(`it has ${dependenciesPerRunMax - 1}, and 2 more do not fit`);
    run.post(after("b"), {});
    refused(run, undefined, [{ instructions: "{{a}}" }], "validation_failed", "tasks");
    run.post({});
  });

  test("[C5] an ended run takes none", () => {
    const run = new Run();
    run.step((step) => cancelRun(step, "enough"));
    refused(run, undefined, [{}], "run_ended");
  });

  test("[C6] clamps and defaults", () => {
    const run = new Run({ timeoutMs: 1000 });
    const [p, big] = run.post({ priority: 3, timeout_ms: 500, max_tokens: 100 }, { timeout_ms: 5000 });
    expect([p!.timeoutMs, big!.timeoutMs, big!.priority, big!.depth, big!.parent]).toEqual([500, 1000, 5, 1, 0]);
    const [a, b] = run.make(
      run.start(p!),
      { priority: 9, timeout_ms: 900, max_tokens: 400 },
      { priority: 1, max_tokens: 40 },
    );
    expect([a!.priority, a!.timeoutMs, a!.maxTokens, a!.depth, a!.parent]).toEqual([3, 500, 100, 2, p!.n]);
    expect([b!.priority, b!.maxTokens]).toEqual([1, 40]);
    expect(run.root().priority).toBe(9);
    expect(new Run().root({ priority: 2 }).priority).toBe(2);
  });
});
