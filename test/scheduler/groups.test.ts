import { describe, expect, test } from "vitest";
import { cancelRun, finishRun } from "../../src/scheduler/run-commands.ts";
import { checkState } from "./check.ts";
import { Run, states, why } from "./run.ts";

const decided = (run: Run) => run.events("group_decided").map(({ name, verdict }) => `${name} ${verdict}`);

describe("verdicts", () => {
  test("[J1] a group is met with the last success that it requires, and told once", () => {
    const run = new Run();
    const [a, b, c] = run.group({ g: { require: 2 } }, { group: "g" }, { group: "g" }, { group: "g" });
    run.succeed(a!);
    expect(decided(run)).toEqual([]);
    run.fail(b!);
    expect(decided(run)).toEqual([]);
    run.succeed(c!);
    expect(decided(run)).toEqual(["g met"]);
    expect(run.events("group_decided")[0]).toMatchObject({ task: a!.n, succeeded: 2, ended: 3, size: 3 });
    checkState(run.state, run.now);
  });

  test("[J2] without terms all must succeed, and the first failure cancels the others", () => {
    const run = new Run();
    const [a, b, c, other] = run.post({ group: "g" }, { group: "g" }, { group: "g" }, {});
    run.start(b!);
    run.fail(a!);
    expect(states(a!, b!, c!, other!)).toBe("failed cancelled cancelled ready");
    expect(decided(run)).toEqual(["g failed"]);
    expect(run.endOf(b!)?.error).toMatchObject({ code: "group_failed", because: a!.n });
    checkState(run.state, run.now);
  });

  test("[J2] one that goes on lets its members end as they do", () => {
    const run = new Run();
    const [a, b] = run.group({ g: { on_failure: "continue" } }, { group: "g" }, { group: "g" });
    run.fail(a!);
    expect(states(a!, b!)).toBe("failed ready");
    run.succeed(b!);
    expect(decided(run)).toEqual(["g failed"]);
  });

  test("[J2] one that needs no more drops the rest", () => {
    const run = new Run();
    const [a, b, c] = run.group(
      { g: { require: 1, when_met: "cancel" } },
      { group: "g" },
      { group: "g" },
      { group: "g" },
    );
    run.start(b!);
    run.succeed(a!);
    expect(states(a!, b!, c!)).toBe("succeeded cancelled cancelled");
    expect(run.endOf(c!)?.error).toMatchObject({ code: "group_met", because: a!.n });
    expect(decided(run)).toEqual(["g met"]);
  });

  test("[J1] a member that is cancelled or skipped is one that did not succeed", () => {
    const run = new Run();
    const [base] = run.post({ key: "base" });
    const [a, b] = run.post({ group: "g", after: ["base"] }, { group: "g" });
    run.cancel(base!);
    expect(states(a!, b!)).toBe("skipped cancelled");
    expect(decided(run)).toEqual(["g failed"]);
  });

  test("[J4] failures of a group that is met count as seen, before and after it is", () => {
    const run = new Run();
    const [a, b, c] = run.group({ g: { require: 1 } }, { group: "g" }, { group: "g" }, { group: "g" });
    run.fail(a!);
    expect(run.state.header.unhandled).toBe(1);
    run.succeed(b!);
    expect(run.state.header.unhandled).toBe(0);
    run.fail(c!);
    expect(run.state.header.unhandled).toBe(0);
    run.step((step) => finishRun(step, false));
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[J1] of a creator's group counts its end: all are cancelled with it", () => {
    const run = new Run();
    const [p] = run.post({});
    run.start(p!);
    const [a, b] = run.make(p, { group: "g" }, { group: "g" });
    run.succeed(a!);
    run.fail(p!);
    expect(states(a!, b!)).toBe("succeeded cancelled");
    expect(decided(run)).toEqual(["g failed"]);
  });
});

describe("tasks after a group", () => {
  const terms = { g: { require: 2 } };
  const members = [
    { key: "a", group: "g" },
    { key: "b", group: "g" },
    { key: "c", group: "g" },
  ];

  test("[J3] one waits for all members and runs when the group is met, whatever became of each", () => {
    const run = new Run();
    const [a, b, c, merge] = run.group(terms, ...members, { after: ["g"] });
    expect(merge!.after).toEqual([a!.n, b!.n, c!.n]);
    run.fail(a!);
    run.succeed(b!);
    expect(states(merge!)).toBe("waiting");
    run.succeed(c!);
    expect(states(merge!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[J3] it is skipped when the group fails, with the end that decided it", () => {
    const run = new Run();
    const [a, b, c, merge] = run.group(terms, ...members, { after: ["g"] });
    run.fail(a!);
    run.fail(b!);
    expect(states(c!, merge!)).toBe("cancelled skipped");
    expect(why(merge!)).toBe(b!.n);
    expect(run.endOf(merge!)?.error).toMatchObject({ code: "dependency_failed" });
    checkState(run.state, run.now);
  });

  test("[J3] one that runs on failure runs when all have ended", () => {
    const run = new Run();
    const more = { after: ["g"], on_dependency_failure: "run" as const };
    const [a, b, c, merge] = run.group({ g: { ...terms.g, on_failure: "continue" } }, ...members, more);
    run.fail(a!);
    run.fail(b!);
    expect(states(merge!)).toBe("waiting");
    run.succeed(c!);
    expect(states(merge!)).toBe("ready");
  });

  test("[J3] one that names a member is about that member alone", () => {
    const run = new Run();
    const [a, , , after] = run.group(terms, ...members, { after: ["a"] });
    run.fail(a!);
    expect(states(after!)).toBe("skipped");
  });
});

describe("the run's end", () => {
  test("[J6] a run that is cancelled, or finished, has no verdicts to come", () => {
    for (const end of [
      (run: Run) => run.step((step) => cancelRun(step, "")),
      (run: Run) => run.step((step) => finishRun(step, true)),
    ]) {
      const run = new Run();
      const undo = { on_failure: { task: { instructions: "undo" } } };
      const [a, b] = run.post({ group: "g", ...undo }, { group: "g", ...undo });
      run.succeed(a!);
      end(run);
      expect(states(a!, b!)).toBe("succeeded cancelled");
      expect(decided(run)).toEqual([]);
      expect(run.state.header.taskCount).toBe(2);
      checkState(run.state, run.now);
    }
  });

  test("[J6] nor has one whose root succeeded", () => {
    const run = new Run();
    const root = run.root();
    const [a] = run.post({ group: "g" });
    run.succeed(root);
    expect(states(a!)).toBe("cancelled");
    expect(decided(run)).toEqual([]);
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[N7] a run that fails fast ends with the first failure that nothing answers for", () => {
    const run = new Run({}, undefined, { fail_fast: true });
    const [a, b, c] = run.post({}, {}, { detached: true });
    run.start(b!);
    run.fail(a!);
    expect(states(a!, b!, c!)).toBe("failed cancelled cancelled");
    expect(run.state.header).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(run.batch(undefined, [{}])).toMatchObject({ ok: false, refusal: { code: "run_ended" } });
    checkState(run.state, run.now);
  });

  test("[N7] what a dependent, a group or a fallback answers for ends nothing", () => {
    const run = new Run({}, undefined, { fail_fast: true });
    const [a, after] = run.post({ key: "a" }, { after: ["a"], on_dependency_failure: "run" });
    run.fail(a!);
    const [b, c] = run.group({ g: { require: 1 } }, { group: "g" }, { group: "g" });
    run.fail(b!);
    const [d] = run.post({ on_failure: { task: { instructions: "else" } } });
    run.fail(d!);
    expect(states(after!, c!, d!)).toBe("ready ready parked");
    expect(run.state.header.status).toBe("active");
    run.fail(c!);
    expect(run.state.header.status).toBe("failed");
  });

  test("[N7] it waits for the compensations, and a retry makes it go on", () => {
    const run = new Run({}, undefined, { fail_fast: true });
    const [a, b] = run.post({ group: "g", on_failure: { task: { instructions: "undo" } } }, { group: "g" });
    run.succeed(a!);
    run.fail(b!);
    const undo = run.state.task(3);
    expect(run.state.header).toMatchObject({ status: "active", failing: b!.n });
    expect(run.batch(undefined, [{}])).toMatchObject({ refusal: { code: "run_ended" } });
    run.succeed(undo);
    expect(run.state.header).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(run.retry(b!)).toBeUndefined();
    expect(states(a!, b!)).toBe("ready ready");
    expect(run.state.header.failing).toBeUndefined();
    checkState(run.state, run.now);
  });
});

describe("retries", () => {
  test("[J7] what was cancelled because of a member goes on with it, and the group may be met", () => {
    const run = new Run();
    const [a, b, merge] = run.post({ group: "g" }, { group: "g" }, { after: ["g"] });
    run.fail(a!);
    expect(states(a!, b!, merge!)).toBe("failed cancelled skipped");
    run.retry(a!);
    expect(states(a!, b!, merge!)).toBe("ready ready waiting");
    expect(run.events("task_retried").map((one) => one.why)).toEqual(["asked", "group_retried", "dependency_retried"]);
    run.succeed(a!, b!);
    expect(decided(run)).toEqual(["g failed", "g met"]);
    expect(states(merge!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[J7] a member that was cancelled for another reason stays as it ended", () => {
    const run = new Run();
    const [a, b, c] = run.group({ g: { require: 1 } }, { group: "g" }, { group: "g" }, { group: "g" });
    run.cancel(b!);
    run.fail(a!);
    run.fail(c!);
    run.retry(a!);
    expect(states(a!, b!, c!)).toBe("ready cancelled failed");
    run.succeed(a!);
    expect(decided(run)).toEqual(["g failed", "g met"]);
  });

  test("[J8] what a group has dropped stays dropped when the winner is retried, and when that fails and is retried once more", () => {
    const run = new Run();
    const terms = { g: { require: 1, when_met: "cancel" as const } };
    const [a, b, c, merge] = run.group(terms, { group: "g" }, { group: "g" }, { group: "g" }, { after: ["g"] });
    run.succeed(a!);
    expect([states(a!, b!, c!, merge!), decided(run)]).toEqual(["succeeded cancelled cancelled ready", ["g met"]]);
    run.retry(a!);
    expect(states(a!, b!, c!, merge!)).toBe("ready cancelled cancelled waiting");
    run.fail(a!);
    expect([states(a!, b!, c!, merge!), decided(run)]).toEqual([
      "failed cancelled cancelled skipped",
      ["g met", "g failed"],
    ]);
    run.retry(a!);
    expect(states(a!, b!, c!, merge!)).toBe("ready cancelled cancelled waiting");
    run.fail(a!);
    // By itself one is tried in its place.
    run.retry(b!);
    expect(states(a!, b!, c!, merge!)).toBe("failed ready cancelled waiting");
    run.succeed(b!);
    expect([states(merge!), decided(run).at(-1)]).toEqual(["ready", "g met"]);
    checkState(run.state, run.now);
  });

  test("[J8] one that was dropped and is retried beside the winner goes on to its own end", () => {
    const run = new Run();
    const [a, b] = run.group({ g: { require: 1, when_met: "cancel" } }, { group: "g" }, { group: "g" });
    run.succeed(a!);
    run.retry(b!);
    run.fail(b!);
    expect([states(a!, b!), decided(run), run.state.header.unhandled]).toEqual(["succeeded failed", ["g met"], 0]);
    checkState(run.state, run.now);
  });

  test("[J7] a retried success is taken back, and told of again when the verdict is the same", () => {
    const run = new Run();
    const [a, b] = run.post({ group: "g" }, { group: "g" });
    run.succeed(a!, b!);
    run.retry(a!);
    run.succeed(a!);
    expect(decided(run)).toEqual(["g met", "g met"]);
  });

  test("[J7] a task after the group waits again whichever member is retried, once that may be met", () => {
    const run = new Run();
    const terms = { g: { require: 2 } };
    const [a, b, c, merge] = run.group(terms, { group: "g" }, { group: "g" }, { group: "g" }, { after: ["g"] });
    run.succeed(a!);
    run.fail(b!);
    run.fail(c!);
    expect([states(merge!), why(merge!)]).toEqual(["skipped", c!.n]);
    run.retry(b!);
    expect(states(a!, b!, c!, merge!)).toBe("succeeded ready failed waiting");
    run.succeed(b!);
    expect(states(merge!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[R4] a task after a group that has begun goes on when a retried member fails; one that starts over is skipped", () => {
    const run = new Run();
    const [a, hosted, pulled] = run.post({ group: "g" }, { after: ["g"] }, { after: ["g"], pool: "box" });
    run.succeed(a!);
    run.turn(run.start(hosted!));
    run.start(pulled!);
    run.retry(a!);
    run.fail(a!);
    expect(states(hosted!, pulled!)).toBe("running running");
    run.lose(pulled!);
    expect([states(pulled!), why(pulled!)]).toEqual(["skipped", a!.n]);
    run.complete(hosted!);
    checkState(run.state, run.now);
  });

  test("[R3] a member that is skipped again at once takes nothing of its group with it: what undoes another goes on", () => {
    const run = new Run();
    const undo = { on_failure: { task: { instructions: "undo" } } };
    const [base] = run.post({ key: "base" });
    const [a, b] = run.post({ group: "g", ...undo }, { group: "g", after: ["base"] });
    run.succeed(a!);
    run.fail(base!);
    const undoing = run.state.task(4);
    run.start(undoing);
    expect(states(a!, b!, undoing)).toBe("succeeded skipped running");
    run.retry(b!);
    expect(states(a!, b!, undoing)).toBe("succeeded skipped running");
    checkState(run.state, run.now);
  });

  test("[R3] what a member of the group had created does not come back with it", () => {
    const run = new Run();
    const undo = { on_failure: { task: { instructions: "undo" } } };
    const [a, m] = run.group({ g: { on_failure: "continue" } }, { key: "a", group: "g" }, { group: "g", ...undo });
    const [loose] = run.make(run.start(m!), { after: ["a"], detached: true });
    run.complete(m!);
    run.fail(a!);
    expect(states(a!, m!, loose!)).toBe("failed succeeded skipped");
    run.retry(a!);
    expect(states(a!, m!, loose!)).toBe("ready ready skipped");
    checkState(run.state, run.now);
  });

  test("[J7] of a group whose creator was retried the verdict stands, whoever of it is retried by itself", () => {
    const run = new Run();
    const [p] = run.post({});
    const [a, b] = run.make(
      run.start(p!),
      { group: "g", on_failure: { task: { instructions: "undo" } } },
      { group: "g" },
    );
    run.succeed(a!);
    run.fail(b!);
    run.complete(p!);
    run.retry(p!);
    run.retry(b!);
    expect([states(a!, b!), a!.scope?.leads?.told]).toEqual(["succeeded ready", "failed"]);
    checkState(run.state, run.now);
  });

  test("[R2] a group of a creator that is retried decides nothing", () => {
    const run = new Run();
    const [p] = run.post({});
    run.start(p!);
    const undo = { on_failure: { task: { instructions: "undo" } } };
    const [a, b] = run.make(p, { group: "g", detached: true, ...undo }, { group: "g", detached: true });
    run.succeed(a!);
    run.complete(p!);
    run.retry(p!);
    expect(states(a!, b!)).toBe("succeeded cancelled");
    expect(decided(run)).toEqual([]);
    checkState(run.state, run.now);
  });
});

describe("creation", () => {
  const refused = (run: Run, groups: object, ...specs: object[]) => {
    const made = run.batch(undefined, specs, {}, groups as never);
    return made.ok ? undefined : `${made.refusal.code} ${made.refusal.errors?.[0]?.path}`;
  };

  test("[C7] refuses terms of a group without members, and more than it can have", () => {
    const run = new Run();
    expect(refused(run, { g: {} }, {})).toBe("validation_failed groups.g");
    expect(refused(run, { g: { require: 2 } }, { group: "g" })).toBe("validation_failed groups.g.require");
    expect(refused(run, {}, { key: "g" }, { group: "g" })).toBe("duplicate_key tasks[0].key");
    expect(refused(run, {}, { group: "g", after: ["g"] })).toBe("dependency_cycle tasks[0].after[0]");
    expect(refused(run, {}, { group: "g", instructions: "{{g}}" })).toBe("unknown_task tasks[0].instructions");
    expect(run.state.header.seq).toBe(1);
  });

  test("[C7] one that is named again and again by the same task is waited for once", () => {
    const run = new Run();
    const tasks = run.post({ group: "g" }, { group: "g" }, { after: ["g", "g", "g"] }, { after: ["g"] });
    const [a, b, c, d] = tasks.map(({ n }) => n);
    expect(tasks.map(({ after }) => after)).toEqual([[], [], [a, b], [a, b]]);
    expect(run.events("group_created")).toMatchObject([{ members: [a, b], followers: [c, d] }]);
  });

  test("[C4] a member can't wait for what comes after its group", () => {
    const run = new Run();
    const batch = [
      { key: "a", group: "g", after: ["z"] },
      { key: "z", after: ["g"] },
    ];
    expect(refused(run, {}, ...batch)).toBe("dependency_cycle tasks[0].after");
  });
});
