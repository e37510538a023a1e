/** What happens although nobody calls: the alarm's work, on a clock that the test moves. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { checkpointTailRows, leaseMs, runIdleMs, runReportIdleMs } from "../../src/limits.ts";
import type { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, codeOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const box = (key: string, more = {}) => ({ key, pool: "box", instructions: `do ${key}`, ...more });

describe("a lease", () => {
  it("that nobody renews is lost when its time is over, and its task goes to another worker", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const old = (await run.lease("w1"))!;
    clock.forward(leaseMs - 1);
    await run.ring();
    expect((await run.task("a")).state).toBe("running");
    clock.forward(1);
    await run.ring();
    expect((await run.task("a")).state).toBe("ready");
    const fresh = (await run.lease("w2"))!;
    expect(fresh.fence).toBeGreaterThan(old.fence);
    expect(codeOf(await run.rpc.complete(old, { result: 1, next: false, worker: "w1" }))).toBe("lease_lost");
    value(await run.rpc.complete(fresh, { result: 2, next: false, worker: "w2" }));
    expect(await run.task("a")).toMatchObject({ state: "succeeded", result: 2, attempts: 2 });
  });

  it("that is renewed is kept for as long, whether or not the object was evicted in between", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const lease = (await run.lease("w1"))!;
    for (let i = 0; i < 5; i++) {
      clock.forward(leaseMs - 5_000);
      const { expires_at } = value(await run.rpc.renew(lease));
      expect(expires_at).toBe(clock.now + leaseMs);
      await run.evict();
      clock.forward(4_000);
      await run.ring();
      expect(await run.task("a")).toMatchObject({ state: "running", attempts: 1 });
    }
    value(await run.rpc.complete(lease, { result: "kept", next: false, worker: "w1" }));
  });

  it("of a lost worker is over in time although its object is evicted again and again", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const lease = (await run.lease("w1"))!;
    clock.forward(10_000);
    value(await run.rpc.renew(lease));
    for (let passed = 0; passed < leaseMs; passed += 10_000) {
      await run.evict();
      clock.forward(10_000);
      await run.ring();
    }
    expect((await run.task("a")).state).toBe("ready");
  });

  it("lost three times in a row without a turn poisons its task; a turn in between makes it well", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("bad"), box("good"));
    for (let i = 0; i < 3; i++) {
      const grants = [(await run.lease())!, (await run.lease())!];
      const good = grants.find(({ task }) => task.key === "good")!;
      if (i === 1) value(await run.rpc.turn(good, { messages: ['{"role":"assistant","content":"half"}'] }));
      clock.forward(leaseMs);
      await run.ring();
    }
    expect(await run.task("bad")).toMatchObject({ state: "failed", error: { code: "poisoned" }, attempts: 3 });
    expect(await run.task("good")).toMatchObject({ state: "ready", attempts: 3 });
  });
});

describe("a task", () => {
  it("that fails for now comes back after its backoff, doubled each time, until its retries are used up", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a", { retries: { limit: 2, backoff_ms: 10_000 } }));
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      const lease = (await run.lease())!;
      value(await run.rpc.fail(lease, { error: { code: "busy", message: `no ${i}` }, retryable: true }));
      const { waiting_on } = await run.task("a");
      if (waiting_on && "backoff_until" in waiting_on) {
        waits.push(waiting_on.backoff_until - clock.now);
        expect(await run.lease()).toBeUndefined();
        clock.forward(waiting_on.backoff_until - clock.now);
        await run.ring();
      }
    }
    expect(waits).toHaveLength(2);
    expect(waits[0]! / 10_000).toBeCloseTo(1, 0);
    expect(waits[1]! / 20_000).toBeCloseTo(1, 0);
    expect(await run.task("a")).toMatchObject({ state: "failed", error: { code: "busy", message: "no 2" } });
  });

  it("ends when its timeout passes, however its pull worker renews, and whatever attempt it is", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a", { timeout_ms: 100_000 }));
    const lost = (await run.lease())!;
    clock.forward(leaseMs);
    await run.ring();
    expect(codeOf(await run.rpc.renew(lost))).toBe("lease_lost");
    // Nor has one that gives it back, over and over, more of it.
    for (let i = 0; i < 5; i++)
      value(
        await run.rpc.fail((await run.lease())!, { error: { code: "worker_stopped", message: "" }, retryable: true }),
      );
    const lease = (await run.lease())!;
    for (let i = 1; i < 7; i++) {
      clock.forward(10_000);
      value(await run.rpc.renew(lease, { message: `step ${i}` }));
      if (i === 4) await run.evict();
      await run.ring();
    }
    expect(await run.task("a")).toMatchObject({ state: "running", attempts: 7 });
    clock.forward(10_000);
    await run.ring();
    expect(await run.task("a")).toMatchObject({ state: "failed", error: { code: "timeout" } });
    expect(codeOf(await run.rpc.renew(lease))).toBe("lease_lost");
    expect(codeOf(await run.rpc.complete(lease, { result: 1, next: false, worker: "w" }))).toBe("lease_lost");
  });

  it("ends when its timeout passes after its first start, parked time included, and its children with it", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create({ key: "h", instructions: "do h", timeout_ms: 60_000 });
    const work = (await run.seat("s"))!;
    const call = (id: string, name: string, input: unknown) => ({ id, name, arguments: JSON.stringify(input) });
    const calls = [
      call("t1", "create_task", { key: "slow", pool: "box", instructions: "slow" }),
      call("t2", "await_tasks", { tasks: ["slow"] }),
    ];
    const content = calls.map(({ id, name, arguments: text }) => ({
      type: "tool_use",
      id,
      name,
      input: JSON.parse(text),
    }));
    const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
    const reply = JSON.stringify({ role: "assistant", content });
    await run.rpc.seatTurn(work, { messages: [...work.fork, reply], usage, calls }, undefined);
    await run.rpc.leaveSeat(work, { kind: "wait" }, undefined);
    expect(await run.task("h")).toMatchObject({ state: "parked", waiting_on: { mode: "all" } });
    const child = (await run.lease())!;
    clock.forward(25_000);
    value(await run.rpc.renew(child));
    await run.evict();
    clock.forward(25_000);
    value(await run.rpc.renew(child));
    clock.forward(10_000);
    await run.ring();
    expect(await run.task("h")).toMatchObject({ state: "failed", error: { code: "timeout" } });
    expect(await run.task(child.task.id)).toMatchObject({ state: "cancelled" });
    expect(codeOf(await run.rpc.complete(child, { result: 1, next: false, worker: "w" }))).toBe("lease_lost");
  });

  it("that waits with a timeout of its own is told that it passed, and goes on", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"), box("b"));
    const a = (await run.lease())!;
    const wait = { tool: "await_tasks", callId: "c", arguments: '{"tasks":["b"],"timeout_ms":5000}', waitMs: 0 };
    expect(value(await run.rpc.leaseTool(a, wait))).toEqual({ pending: true, call_id: "c" });
    clock.forward(5_000);
    await run.ring();
    expect(value(await run.rpc.leaseTool(a, wait))).toMatchObject({ error: { code: "timed_out" } });
    expect(await run.task("a")).toMatchObject({ state: "running" });
  });
});

describe("the clock", () => {
  it("needs no help: a real alarm rings by itself", async () => {
    const run = await makeRun();
    await run.create(box("a", { retries: { backoff_ms: 100 } }));
    value(await run.rpc.fail((await run.lease())!, { error: { code: "busy", message: "" }, retryable: true }));
    await eventually(async () => expect((await run.task("a")).state).toBe("ready"));
  });

  it("is caught up with by the next command when no alarm rang", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    await run.lease("w1");
    clock.forward(leaseMs + 1);
    expect(await run.lease("w2")).toMatchObject({ task: { key: "a", attempt: 2 } });
  });

  it("[A4] sets no alarm that is set already when the object is loaded again, and one for what is due before it", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    // By then its gate knows all of it.
    clock.forward(runReportIdleMs);
    await run.ring();
    await run.evict();
    const set = await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (object, state) => {
      const { storage } = state;
      const wanted = await storage.getAlarm();
      const times: number[] = [];
      const setAlarm = storage.setAlarm.bind(storage);
      vi.spyOn(storage, "setAlarm").mockImplementation((at) => {
        times.push(Number(at));
        return setAlarm(at);
      });
      const rpc = object as unknown as RunScheduler;
      value(await rpc.sweep());
      await new Promise((resolve) => setTimeout(resolve, 50));
      const kept = [...times];
      value(await rpc.createTasks({ tasks: [box("a")] }));
      value(await rpc.leases({ pool: "box", worker: "w", max: 1, contextBytes: 1e6 }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      return { wanted, kept, times };
    });
    expect(set.wanted).toBeGreaterThan(Date.now() + leaseMs);
    expect(set.kept).toEqual([]);
    expect(Math.min(...set.times)).toBeLessThanOrEqual(Date.now() + leaseMs);
  });

  it("ends a run without a root that nothing happened in for a day, and no other", async () => {
    using clock = new TestClock();
    const idle = await makeRun();
    const busy = await makeRun();
    await busy.create(box("a"));
    clock.forward(runIdleMs - 1);
    for (const run of [idle, busy]) await run.ring();
    expect((await idle.view()).status).toBe("active");
    clock.forward(1);
    for (const run of [idle, busy]) await run.ring();
    expect(await idle.view()).toMatchObject({ status: "succeeded", ended_at: clock.now });
    expect((await busy.view()).status).toBe("active");
  });
});

describe("a session", () => {
  const lock = (actor: string, waitMs: number) => ({
    ...{ tool: "lock", arguments: JSON.stringify({ op: "acquire", name: "l" }), callId: "c", actor, waitMs },
  });
  const open = async (run: TestRun, ttlMs: number) => value(await run.rpc.openActor({ ttlMs })).id;
  /** One session holds a lock, and a long poll of another that waits for it is open. */
  const polled = async (run: TestRun, clock: TestClock) => {
    const [holder, waiter] = [await open(run, 60_000), await open(run, 10_000)];
    value(await run.rpc.callTool(lock(holder, 0)));
    const granted = run.rpc.callTool(lock(waiter, 60_000));
    await eventually(async () => {
      expect(value(await run.rpc.actor(waiter)).expires_at).toBeGreaterThan(clock.now + 60_000);
    });
    return { holder, waiter, granted };
  };

  it("lasts its own time after a call that was answered at once, however long that might have waited", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    const [lost, next] = [await open(run, 10_000), await open(run, 60_000)];
    expect(value(await run.rpc.callTool(lock(lost, 60_000)))).toEqual({ result: { token: 1 } });
    expect(value(await run.rpc.actor(lost)).expires_at).toBe(clock.now + 10_000);
    expect(value(await run.rpc.callTool(lock(next, 0)))).toEqual({ pending: true, call_id: "c" });
    await run.evict();
    clock.forward(10_000);
    await run.ring();
    expect(codeOf(await run.rpc.actor(lost))).toBe("not_found");
    expect(value(await run.rpc.callTool(lock(next, 0)))).toEqual({ result: { token: 2 } });
  });

  it("lasts its own time after a repeat that got its first answer, too", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    const actor = await open(run, 10_000);
    for (let i = 0; i < 3; i++) {
      expect(value(await run.rpc.callTool(lock(actor, 0)))).toEqual({ result: { token: 1 } });
      expect(value(await run.rpc.actor(actor)).expires_at).toBe(clock.now + 10_000);
      clock.forward(6000);
      await run.ring();
    }
  });

  it("lasts while a long poll of it is open, and its own time from the answer on", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    const { holder, waiter, granted } = await polled(run, clock);
    clock.forward(30_000);
    await run.ring();
    value(await run.rpc.closeActor(holder));
    expect(value(await granted)).toEqual({ result: { token: 2 } });
    expect(value(await run.rpc.actor(waiter)).expires_at).toBe(clock.now + 10_000);
    clock.forward(10_000);
    await run.ring();
    expect(codeOf(await run.rpc.actor(waiter))).toBe("not_found");
  });

  it("has no more time after a load either, though a checkpoint was written while its long poll was open", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    const { holder, waiter, granted } = await polled(run, clock);
    clock.forward(1000);
    // As much as a checkpoint comes after.
    await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (object, { storage }) => {
      const rpc = object as unknown as RunScheduler;
      for (let i = 0; i <= checkpointTailRows / 2; i++) {
        value(await rpc.pause());
        value(await rpc.resume());
      }
      expect(storage.sql.exec("SELECT * FROM pages").toArray()).not.toEqual([]);
    });
    value(await run.rpc.closeActor(holder));
    expect(value(await granted)).toEqual({ result: { token: 2 } });
    await run.evict();
    expect(value(await run.rpc.actor(waiter)).expires_at).toBe(clock.now + 10_000);
  });
});
