import { describe, expect, test } from "vitest";
import { apply } from "../../src/scheduler/apply.ts";
import { leased } from "../../src/scheduler/attempts.ts";
import { settleChains } from "../../src/scheduler/chains.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { cancelRun, type Refusal } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { TaskTurns } from "../../src/scheduler/turns.ts";
import { checkState, expectSame } from "./check.ts";
import { newState, Run, states } from "./run.ts";

function turnsOf(run: Run, task: Task): TaskTurns {
  const told = new TaskTurns();
  for (const { event, seq, at } of run.log) if ("task" in event && event.task === task.n) told.add(event, seq, at);
  return told;
}

const pointOf = (run: Run, task: Task, turn: number) =>
  turnsOf(run, task).pointAfter(turn, run.state.header.seq + 1, ({ snapshot }) => `before ${snapshot}`);

function retry(run: Run, task: Task, turn: number): Refusal | undefined {
  const pointsOf = (tasks: readonly Task[]) =>
    new Map(tasks.flatMap((one) => (one.turns > 0 ? [[one.n, pointOf(run, one, one.turns)!]] : [])));
  const refusal = run.step((step) => retryTask(step, task, { point: pointOf(run, task, turn), pointsOf }));
  checkState(run.state, run.now);
  const again = newState();
  for (const { event, seq, at } of run.log) apply(again, event, seq, at);
  settleChains(again);
  expectSame(run.state, again);
  return refusal;
}

const answer = (run: Run, task: Task, call: string) =>
  run.step((step) => step.emit({ type: "call_done", task: task.n, call, tool: "inspect", why: "answered" }, {}));

describe("retry from a turn", () => {
  test("[R6] it goes on before the request of the next turn, ready at once; usage, attempts and fences go on", () => {
    const run = new Run();
    const [a] = run.post({});
    run.start(a!);
    for (const used of [10, 20, 30]) run.turn(a!, used);
    const second = a!.head;
    run.turn(a!, 40);
    const { fence } = (a! as { phase: { fence: number } }).phase;
    run.fail(a!);
    expect(retry(run, a!, 3)).toBeUndefined();
    const snapshot = turnsOf(run, a!).turns[2]!.snapshot;
    expect(snapshot).toBe(second);
    expect(a!).toMatchObject({ generation: 2, turns: 3, treeTokens: 100, attempts: 1, clockAt: 0 });
    expect(a!.head).toMatch(/^before s/);
    expect(a!.phase).toMatchObject({ state: "ready", resumed: true });
    // The old attempt writes nothing.
    run.start(a!);
    expect(leased(run.state, a!.n, fence)).toBeUndefined();
    run.turn(a!);
    expect(turnsOf(run, a!).turns.map(({ turn, generation }) => [turn, generation])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
    ]);
    run.complete(a!);
    expect(retry(run, a!, 1)).toBeUndefined();
    expect([a!.turns, turnsOf(run, a!).turns.length]).toEqual([1, 1]);
  });

  test("[R6] after its last turn it has the answers that its calls had, and no others", () => {
    const run = new Run();
    const [a] = run.post({});
    run.start(a!);
    answer(run, a!, "old");
    run.turn(a!);
    const seq = answer(run, a!, "x");
    run.await(a!, run.post({}), "all", 0, "y");
    run.fail(a!);
    retry(run, a!, 1);
    expect(a!.calls).toEqual([{ id: "x", state: "done", seq }]);
    run.fail(a!);
    retry(run, a!, 1);
    expect(a!.calls).toEqual([{ id: "x", state: "done", seq }]);
    run.turn(run.start(a!));
    run.fail(a!);
    retry(run, a!, 1);
    expect(a!.calls).toEqual([]);
  });

  test("[R6] a turn that is not there is none to go back to", () => {
    const run = new Run();
    const [a] = run.post({});
    run.turn(run.start(a!));
    run.fail(a!);
    expect([0, 1, 2].map((turn) => pointOf(run, a!, turn)?.turn)).toEqual([undefined, 1, undefined]);
  });

  test("[R7] children of later turns are void, earlier ones stay with key, count and failure", () => {
    const run = new Run();
    const [p] = run.post({});
    run.turn(run.start(p!));
    const [kept, bad] = run.make(p!, { key: "kept" }, { key: "bad" });
    run.fail(bad!);
    run.succeed(kept!);
    run.turn(p!);
    const [later, loose] = run.make(p!, { key: "later" }, { detached: true });
    run.fail(later!);
    run.complete(p!);
    expect([p!.childrenFailed, run.state.header.unhandled]).toEqual([2, 2]);
    retry(run, p!, 1);
    expect(states(p!, kept!, bad!, later!, loose!)).toBe("ready succeeded failed failed cancelled");
    expect([p!.children, p!.childrenMade, p!.childrenFailed, run.state.header.unhandled]).toEqual([
      [kept!.n, bad!.n],
      2,
      1,
      1,
    ]);
    expect([run.state.keyOf(p!.n, "kept"), run.state.keyOf(p!.n, "later")]).toEqual([kept!.n, undefined]);
    const [again] = run.make(run.start(p!), { key: "later" });
    run.succeed(again!);
    run.complete(p!);
    expect(states(p!)).toBe("succeeded");
  });

  test("[R7] kept children that ended with it go on from their last turns, with all that is theirs", () => {
    const run = new Run();
    const [p] = run.post({});
    run.turn(run.start(p!));
    const [begun, fresh, asked] = run.make(p!, { key: "begun" }, { after: ["begun"] }, {});
    run.turn(run.start(begun!));
    const [below] = run.make(begun!, {});
    run.turn(begun!);
    run.cancel(asked!);
    run.turn(p!);
    const { fence } = (begun! as { phase: { fence: number } }).phase;
    run.fail(p!);
    expect(states(begun!, fresh!, asked!, below!)).toBe("cancelled cancelled cancelled cancelled");
    retry(run, p!, 1);
    expect(states(p!, begun!, fresh!, asked!, below!)).toBe("ready ready waiting cancelled ready");
    expect([begun!.turns, below!.turns, begun!.children, p!.liveChildren]).toEqual([2, 0, [below!.n], 2]);
    expect(run.events("task_retried").map(({ task, why }) => [task, why])).toEqual([
      [p!.n, "asked"],
      [begun!.n, "parent_retried"],
      [fresh!.n, "parent_retried"],
      [below!.n, "parent_retried"],
    ]);
    expect(leased(run.state, begun!.n, fence)).toBeUndefined();
    run.succeed(below!, begun!, fresh!);
    run.succeed(p!);
    expect(states(p!, begun!, fresh!)).toBe("succeeded succeeded succeeded");
  });

  test("[R7] of a kept child that begins at its start nothing comes back", () => {
    const run = new Run({ pools: ["box"] });
    const [p] = run.post({});
    run.turn(run.start(p!));
    const [child] = run.make(p!, { pool: "box" });
    const [below] = run.make(run.start(child!), {});
    run.turn(p!);
    run.fail(p!);
    retry(run, p!, 2);
    expect(states(p!, child!, below!)).toBe("ready ready cancelled");
  });

  test("[R7] what was cancelled with the whole run stays so", () => {
    const run = new Run();
    const [p] = run.post({});
    run.turn(run.start(p!));
    const [child] = run.make(p!, {});
    run.step((step) => cancelRun(step, "enough"));
    retry(run, p!, 1);
    expect([states(p!, child!), run.state.header.status]).toEqual(["ready cancelled", "active"]);
  });

  test("[R6] it waits for no dependency: it has what it was given; those skipped for it wait again", () => {
    const run = new Run();
    const [a, b, c] = run.post({ key: "a" }, { key: "b", after: ["a"] }, { after: ["b"], priority: 9 });
    run.succeed(a!);
    run.turn(run.start(b!));
    run.fail(b!);
    run.step((step) => retryTask(step, a!));
    retry(run, b!, 1);
    expect([states(a!, b!, c!), b!.effective, a!.effective]).toEqual(["ready ready waiting", 9, 5]);
    run.succeed(b!, c!);
    expect(states(a!, b!, c!)).toBe("ready succeeded succeeded");
  });
});
