import { describe, expect, test } from "vitest";
import { cancelTask, endTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { finishRun } from "../../src/scheduler/run-commands.ts";
import { beginAwait, waitIsOver } from "../../src/scheduler/waits.ts";
import { checkState } from "./check.ts";
import { Run, states } from "./run.ts";

describe("awaiting", () => {
  test("[W1] when each mode is over", () => {
    const run = new Run();
    const [ok, bad, open] = run.post({}, {}, {});
    run.succeed(ok!);
    run.fail(bad!);
    const over = (mode: "all" | "any" | "settled", ...tasks: (typeof ok)[]) => waitIsOver(tasks as never, mode);
    expect([over("all", ok), over("all", ok, open), over("all", open, bad), over("all", ok, bad)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect([over("any", open, bad), over("any", open, ok), over("any", bad)]).toEqual([false, true, true]);
    expect([over("settled", ok, open), over("settled", bad, open), over("settled", ok, bad)]).toEqual([
      false,
      false,
      true,
    ]);
    expect([over("all"), over("any"), over("settled")]).toEqual([true, true, true]);
  });

  test("[W1] a wait that is over already is answered at once", () => {
    const run = new Run();
    const [p, a] = run.post({}, {});
    run.succeed(a!);
    expect(run.await(run.start(p!), [a!])).toMatchObject({ kind: "done" });
    expect(p!.calls).toMatchObject([{ id: "call", state: "done" }]);
    expect(run.await(p!, [], "any", 0, "none")).toMatchObject({ kind: "done" });
  });

  test("[W2] it wakes once, when all calls of its reply are answered", () => {
    const run = new Run();
    const [p, a, b] = run.post({}, {}, {});
    run.start(p!);
    run.await(p!, [a!], "all", 0, "one");
    run.await(p!, [b!], "all", 0, "two");
    run.giveBack(p!);
    expect(p!.phase).toMatchObject({ state: "parked", on: "calls" });
    run.succeed(a!);
    expect(states(p!)).toBe("parked");
    run.succeed(b!);
    expect(states(p!)).toBe("ready");
    expect(run.events("task_ready").filter((event) => event.task === p!.n)).toHaveLength(1);
    expect(p!.calls.map((call) => [call.id, call.state])).toEqual([
      ["one", "done"],
      ["two", "done"],
    ]);
    checkState(run.state, run.now);
  });

  test("[W2] an end between the wait and the park is not missed", () => {
    const run = new Run();
    const [p, a] = run.post({}, {});
    run.await(run.start(p!), [a!]);
    run.succeed(a!);
    run.giveBack(p!);
    expect(states(p!)).toBe("ready");
  });

  test("[W2] a blocked lease is working again when its wait ends", () => {
    const run = new Run();
    const [p, a] = run.post({ pool: "laptop" }, {});
    const { fence } = run.start(p!).phase;
    run.await(p!, [a!]);
    run.step((step) => step.emit({ type: "call_blocked", task: p!.n, fence, blocked: true }));
    run.succeed(a!);
    expect(p!.phase).toMatchObject({ state: "running", blocked: false });
    expect(run.state.working).toBe(1);
  });

  test("[W3] for oneself or an ancestor", () => {
    const run = new Run();
    const [top, other] = run.post({}, {});
    const [mid] = run.make(run.start(top!), {});
    const [low] = run.make(run.start(mid!), {});
    run.start(low!);
    expect(run.await(low!, [low!])).toMatchObject({ kind: "would_deadlock", cycle: [low!.n] });
    for (const mode of ["all", "any", "settled"] as const) {
      expect(run.await(low!, [other!, top!], mode)).toMatchObject({ kind: "would_deadlock", cycle: [low!.n, top!.n] });
    }
    expect(low!.calls).toEqual([]);
  });

  test("[W3] for what waits for the waiter: by dependency, by await, or through its children", () => {
    const run = new Run();
    const [p, byAfter, byAwait, byChild] = run.post({ key: "p" }, { after: ["p"] }, {}, {});
    run.start(p!);
    run.park(run.start(byAwait!), [p!]);
    run.make(run.start(byChild!), { after: ["p"] });
    for (const target of [byAfter, byAwait, byChild]) {
      expect(run.await(p!, [target!])).toEqual({ kind: "would_deadlock", cycle: [p!.n, target!.n] });
    }
  });

  test("[W3] not where another way out exists: mode any, or a timeout", () => {
    const run = new Run();
    const [p, x, free, timed] = run.post({ key: "p" }, { after: ["p"] }, {}, {});
    run.start(p!);
    run.park(run.start(timed!), [p!], "all", run.now + 1000);
    expect(run.await(p!, [timed!], "all", 0, "a").kind).toBe("waiting");
    expect(run.await(p!, [x!, free!], "all", 0, "b").kind).toBe("would_deadlock");
    expect(run.await(p!, [x!, free!], "any", 0, "c").kind).toBe("waiting");
    checkState(run.state, run.now);
  });

  test("[W3] nor where it is over already, whatever else it names", () => {
    const run = new Run();
    const [p, x, good, bad] = run.post({ key: "p" }, { after: ["p"] }, {}, {});
    run.start(p!);
    run.succeed(good!);
    run.fail(bad!);
    expect(run.await(p!, [x!, good!], "any", 0, "a").kind).toBe("done");
    expect(run.await(p!, [x!, bad!], "all", 0, "b").kind).toBe("done");
    expect(run.await(p!, [x!, good!], "all", 0, "c").kind).toBe("would_deadlock");
    expect(run.await(p!, [p!, bad!], "all", 0, "d").kind).toBe("would_deadlock");
  });

  test("[W4] a task in the midst of its reply has its say first", () => {
    for (const cancels of [true, false]) {
      const run = new Run();
      const [p, x, other] = run.post({ key: "p" }, { after: ["p"] }, {});
      run.start(p!);
      run.step((step) => {
        beginAwait(step, p!, { id: "call", targets: [x!.n, other!.n], mode: "any", until: 0 });
        run.state.blocking.setUnfinished(p!, true);
      });
      run.fail(other!);
      expect(run.events("call_done")).toEqual([]);
      run.step((step) => {
        if (cancels) cancelTask(step, x!, "");
        settle(step);
        run.state.blocking.setUnfinished(p!, false);
      });
      expect(run.events("call_done")).toMatchObject([{ why: cancels ? "settled" : "deadlock" }]);
    }
  });

  test("[W4] … in each reply of one attempt, from its first step on", () => {
    const run = new Run();
    const [p, x, other] = run.post({ key: "p" }, { after: ["p"] }, {});
    run.start(p!);
    run.turn(p!, 0, true);
    run.step(() => run.state.blocking.setUnfinished(p!, false));
    run.turn(p!, 0, true);
    run.step((step) => {
      beginAwait(step, p!, { id: "call", targets: [x!.n, other!.n], mode: "any", until: 0 });
      cancelTask(step, other!, "");
      settle(step);
      run.state.blocking.setUnfinished(p!, true);
    });
    expect(run.events("call_done")).toEqual([]);
    run.step((step) => {
      cancelTask(step, x!, "");
      settle(step);
      run.state.blocking.setUnfinished(p!, false);
    });
    expect(run.events("call_done")).toMatchObject([{ why: "settled" }]);
  });

  test("[W3] a long chain of dependents is looked through in linear time", { timeout: 30_000 }, () => {
    const run = new Run();
    run.post({ key: "k0" });
    const count = 5000;
    for (let n = 1; n < count; n++) run.post({ key: `k${n}`, after: [`k${n - 1}`] });
    const first = run.start(run.state.task(1));
    let reads = 0;
    const { live } = run.state;
    run.state.live = function (n) {
      reads++;
      return live.call(this, n);
    };
    expect(run.await(first, [run.state.task(count)]).kind).toBe("would_deadlock");
    expect(reads).toBeLessThan(10 * count);
  });

  test("[W4] the last way out of a wait of mode any ends without success", () => {
    const run = new Run();
    const [p, x, free] = run.post({ key: "p" }, { after: ["p"] }, {});
    run.park(run.start(p!), [x!, free!], "any");
    run.fail(free!);
    expect(states(p!)).toBe("ready");
    expect(run.events("call_done").at(-1)).toMatchObject({ why: "deadlock" });
    checkState(run.state, run.now);
  });

  test("[W4] but not while another target can end, nor when its own timeout will end it", () => {
    const run = new Run();
    const [p, x, free, more, q, y] = run.post({ key: "p" }, { after: ["p"] }, {}, {}, { key: "q" }, { after: ["q"] });
    run.park(run.start(p!), [x!, free!, more!], "any");
    run.park(run.start(q!), [y!, free!], "any", run.now + 1000);
    run.fail(free!);
    expect(states(p!, q!)).toBe("parked parked");
    run.succeed(more!);
    run.clock(1000);
    expect(states(p!, q!)).toBe("ready ready");
  });

  test("[W5] a timeout ends the wait and not the tasks, and what it shows is seen", () => {
    const run = new Run();
    const [p, a, b] = run.post({}, {}, {});
    run.park(run.start(p!), [a!, b!], "settled", run.now + 1000);
    run.fail(a!);
    expect(a!.observed).toBe(false);
    run.clock(999);
    expect(states(p!)).toBe("parked");
    run.clock(1);
    expect(states(p!, a!, b!)).toBe("ready failed ready");
    expect(run.events("call_done").at(-1)).toMatchObject({ why: "timed_out" });
    expect(a!.observed).toBe(true);
  });

  test("[W6] the same call id answers the same", () => {
    const run = new Run();
    const [p, a] = run.post({}, {});
    run.start(p!);
    const first = run.await(p!, [a!]);
    expect(run.await(p!, [a!])).toMatchObject(first);
    expect(a!.awaiters).toEqual([p!.n]);
    run.succeed(a!);
    const { seq } = p!.calls[0]!;
    expect(run.await(p!, [a!])).toEqual({ kind: "done", seq });
    expect(run.events("call_waiting")).toHaveLength(1);
  });

  test("[W7] an await sees the failure, so it does not fail the run", () => {
    const run = new Run();
    const [p, a, b] = run.post({}, {}, {});
    run.park(run.start(p!), [a!]);
    run.fail(a!);
    expect([a!.observed, run.state.header.unhandled]).toEqual([true, 0]);
    run.fail(b!);
    expect(run.state.header.unhandled).toBe(1);
    run.await(run.start(p!), [b!], "any", 0, "later");
    expect(run.state.header.unhandled).toBe(0);
    run.complete(p!);
    run.step((step) => finishRun(step, false));
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[W7] a new turn, the end of its work and its own end make its calls void", () => {
    const run = new Run();
    const [p, q, r, a] = run.post({}, {}, {}, { priority: 1 });
    for (const one of [p!, q!, r!]) run.await(run.start(one), [a!]);
    expect(a!.effective).toBe(5);
    run.turn(p!);
    run.make(q!, {});
    run.complete(q!);
    run.fail(r!);
    expect([p!, q!, r!].map((one) => one.calls)).toEqual([[], [], []]);
    expect([a!.awaiters, a!.effective]).toEqual([[], 1]);
    checkState(run.state, run.now);
  });

  test("[W1] an awaiter of many that end in one step is woken once", () => {
    const run = new Run();
    const [p, a, b] = run.post({}, {}, {});
    run.park(run.start(p!), [a!, b!], "settled");
    run.step((step) => {
      for (const one of [a!, b!]) endTask(step, one, { state: "cancelled", error: { code: "cancelled", message: "" } });
      settle(step);
    });
    expect(states(p!)).toBe("ready");
    expect(run.events("call_done")).toHaveLength(1);
  });
});
