import { describe, expect, test } from "vitest";
import { checkState } from "./check.ts";
import { Run, states } from "./run.ts";

describe("children", () => {
  test("[T1] a task that is done waits for them and then has the result it had recorded", () => {
    const run = new Run();
    const [p] = run.post({});
    const [a, b] = run.make(run.start(p!), {}, {});
    run.complete(p!);
    expect(p!.phase).toMatchObject({ state: "parked", on: "children" });
    const recorded = run.log.at(-1)!;
    expect(recorded.body).toEqual({ result: "done" });
    run.succeed(a!);
    expect(states(p!)).toBe("parked");
    run.succeed(b!);
    expect(p!.phase).toMatchObject({ state: "succeeded", seq: recorded.seq });
    checkState(run.state, run.now);
  });

  test("[T1] without live children it ends at once; a child that failed does not fail it", () => {
    const run = new Run();
    const [p] = run.post({});
    const [a] = run.make(run.start(p!), {});
    run.fail(a!);
    run.complete(p!);
    expect(states(p!)).toBe("succeeded");
  });

  test.each(["fail", "cancel"] as const)("[T2] %s cancels them, down the tree", (how) => {
    const run = new Run();
    const [p] = run.post({});
    const [a] = run.make(run.start(p!), {});
    const [b] = run.make(run.start(a!), { key: "b" });
    const [c] = run.make(a, { after: ["b"] });
    run.complete(a!);
    run[how](p!);
    expect(states(p!, a!, b!, c!)).toBe(`${how}ed cancelled cancelled cancelled`.replace("canceled", "cancelled"));
    expect(run.endOf(b!)?.error).toMatchObject({ code: "parent_ended", because: a!.n });
    checkState(run.state, run.now);
  });

  test("[T2] a task that waits for its children is cancelled with them", () => {
    const run = new Run();
    const [p] = run.post({});
    const [a] = run.make(run.start(p!), {});
    run.complete(p!);
    run.cancel(p!);
    expect(states(p!, a!)).toBe("cancelled cancelled");
  });

  test("[T3] a detached one neither holds up nor ends with its creator; its own children end with it", () => {
    const run = new Run();
    const [p] = run.post({});
    const [d] = run.make(run.start(p!), { detached: true });
    const [below] = run.make(run.start(d!), {});
    run.complete(p!);
    expect(states(p!, d!)).toBe("succeeded running");
    run.cancel(d!);
    expect(states(below!)).toBe("cancelled");
    checkState(run.state, run.now);
  });

  test.each(["parked", "done at once"])("[T4] a failure that nobody saw is reported once, its parent %s", (how) => {
    const run = new Run();
    const [p] = run.post({});
    const [a, b, c] = run.make(run.start(p!), {}, {}, {});
    run.await(p!, [b!]);
    run.fail(a!);
    run.fail(b!);
    if (how === "parked") run.complete(p!);
    run.succeed(c!);
    if (how !== "parked") run.complete(p!);
    expect(states(p!)).toBe("succeeded");
    expect(p!.childrenFailed).toBe(1);
    expect(run.events("finding")).toEqual([expect.objectContaining({ kind: "unobserved_failure", subjects: [a!.n] })]);
    expect(run.state.header.findings).toBe(1);
    checkState(run.state, run.now);
  });

  test("[T4] a detached child's failure is not its creator's", () => {
    const run = new Run();
    const [p] = run.post({});
    const [d] = run.make(run.start(p!), { detached: true });
    run.fail(d!);
    run.complete(p!);
    expect([p!.childrenFailed, run.state.header.findings, run.state.header.unhandled]).toEqual([0, 0, 1]);
  });
});

describe("beside a root", () => {
  test("[T5] posted tasks are cancelled when it ends, those after it as well", () => {
    const run = new Run();
    const root = run.root({ key: "root" });
    const [a, b] = run.post({}, { after: ["root"] });
    run.succeed(root);
    expect(states(root, a!, b!)).toBe("succeeded cancelled cancelled");
    expect(run.state.header.status).toBe("succeeded");
    checkState(run.state, run.now);
  });

  test("[T5] detached ones go on, and the run ends after them as the root did", () => {
    const run = new Run();
    const root = run.root({ key: "root" });
    const [d, e] = run.post({ detached: true }, { detached: true, after: ["root"], on_dependency_failure: "run" });
    run.fail(root);
    expect(run.state.header.status).toBe("active");
    expect(states(d!, e!)).toBe("ready ready");
    const [child] = run.make(run.start(d!), {});
    run.succeed(child!);
    run.complete(d!);
    run.fail(e!);
    expect(run.state.header).toMatchObject({ status: "failed", reason: "root_failed" });
    checkState(run.state, run.now);
  });

  test("[T5] a root's own detached child goes on too", () => {
    const run = new Run();
    const root = run.root();
    const [d] = run.make(run.start(root), { detached: true });
    run.complete(root);
    expect(run.state.header.status).toBe("active");
    run.succeed(d!);
    expect(run.state.header.status).toBe("succeeded");
  });
});
