/** Semaphores, barriers, queues and futures through their three doors on a real server, and what they refuse. */

import { beforeAll, describe, expect, it, test } from "vitest";
import type { Lease } from "../../src/client/index.ts";
import {
  answersOf,
  asks,
  barrier,
  fromOutside,
  future,
  lock,
  type Op,
  onLease,
  queue,
  semaphore,
  untilWaiting,
} from "./lib/ops.ts";
import { result } from "./lib/outcome.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();

async function makeRun(limits: object = {}): Promise<string> {
  return (await server.heddle.createRun({ limits })).id;
}

const post = (run: string, tasks: Record<string, string>, more: object = {}) =>
  server.heddle.createTasks(run, {
    tasks: Object.entries(tasks).map(([key, instructions]) => ({ key, instructions, ...more })),
  });

/** A lease of one task that only this test's worker can take. */
async function leaseIn(run: string, pool: string): Promise<Lease> {
  await post(run, { [pool]: "x" }, { pool });
  const [lease] = await server.heddle.lease(pool, { worker: "w", wait_ms: 10_000 });
  return lease!;
}

const error = (outcome: unknown) => (outcome as { error: { code: string } }).error;

describe("the three doors", () => {
  it("a parked agent is woken by a push and by a value from outside, and by a pull worker's", async () => {
    const run = await makeRun();
    await post(run, {
      pops: asks(queue("pop", "in", { max: 5 }), queue("pop", "in")),
      waits: asks(future("await", "go"), future("await", "bad")),
    });
    await untilWaiting(server, run, "in", 1);
    await untilWaiting(server, run, "go", 1);
    expect((await server.heddle.task(run, "waits")).waiting_on).toMatchObject({
      variables: ["go"],
      op: "future.await",
    });
    result(await fromOutside(server, run, queue("push", "in", { messages: [{ a: 1 }, "b"] })));
    result(await fromOutside(server, run, future("resolve", "go", { value: [1, null] })));
    const lease = await leaseIn(run, "desk-a");
    await untilWaiting(server, run, "in", 1);
    result(await onLease(server, lease.id, queue("push", "in", { messages: ["last"] })));
    result(await onLease(server, lease.id, future("reject", "bad", { error: { why: "no" } })));
    expect(await answersOf(server, run, "pops")).toEqual([{ messages: [{ a: 1 }, "b"] }, { messages: ["last"] }]);
    expect(await answersOf(server, run, "waits")).toEqual([{ value: [1, null] }, { error: { why: "no" } }]);
  });

  it("a pull worker's wait is a long poll that the same call_id takes up again; its task uses no worker meanwhile", async () => {
    const run = await makeRun({ workers: 1 });
    const lease = await leaseIn(run, "desk-b");
    const wait = { call_id: "w", wait_ms: 0 };
    const pop = queue("pop", "jobs");
    expect(await onLease(server, lease.id, pop, wait)).toEqual({ pending: true, call_id: "w" });
    await post(run, { other: asks(queue("push", "jobs", { messages: ["job"] })) });
    const again = await onLease(server, lease.id, pop, { call_id: "w", wait_ms: 20_000 });
    expect(result(again)).toEqual({ messages: ["job"] });
    expect(result(await onLease(server, lease.id, pop, { call_id: "w" }))).toEqual({ messages: ["job"] });
    await server.heddle.complete(lease.id, { result: "done" });
  });

  it("agents meet at a barrier with a session, and are told when one of its members ends", async () => {
    const run = await makeRun();
    const actor = await server.heddle.openActor(run);
    await post(run, { member: asks(barrier("wait", "meet", { parties: 2 })) });
    await untilWaiting(server, run, "meet", 1);
    const arrive = { arguments: { op: "wait", name: "meet", parties: 2 }, actor: actor.id };
    expect(result(await server.heddle.callTool(run, "barrier", arrive))).toEqual({ generation: 0, index: 1 });
    expect(await answersOf(server, run, "member")).toEqual([{ generation: 0, index: 0 }]);
    const lease = await leaseIn(run, "desk-c");
    await post(run, { left: asks(barrier("wait", "meet", { parties: 2, members: [lease.task.id] })) });
    await untilWaiting(server, run, "meet", 1);
    await server.heddle.fail(lease.id, { error: { code: "gone", message: "gone" } });
    const [told] = await answersOf(server, run, "left");
    expect(error(told)).toMatchObject({ code: "barrier_broken", by: lease.task.id, why: "ended", generation: 1 });
  });

  it("any of several futures, all of them, and a timeout", async () => {
    const run = await makeRun();
    await post(run, {
      any: asks(future("await", "x", {})),
      some: asks({ tool: "future", arguments: { op: "await", names: ["a", "b"], mode: "any" } }),
      late: asks(future("await", "never", { timeout_ms: 300 })),
    });
    await untilWaiting(server, run, "a", 1);
    result(await fromOutside(server, run, future("reject", "a", { error: "no" })));
    result(await fromOutside(server, run, future("resolve", "b", { value: 2 })));
    const futures = [
      { name: "a", state: "rejected", error: "no" },
      { name: "b", state: "resolved", value: 2 },
    ];
    expect(await answersOf(server, run, "some")).toEqual([{ futures }]);
    const [late] = await answersOf(server, run, "late");
    expect(error(late)).toMatchObject({ code: "timed_out" });
    expect((await server.heddle.task(run, "any")).state).toBe("parked");
    await server.heddle.cancelRun(run);
  });

  it("a stall without a root is a finding at once and gets its victim after stall_ms; an external wait is none", async () => {
    const run = await makeRun({ stall_ms: 1500 });
    await post(run, {
      outside: asks(queue("pop", "mail", { external: true, timeout_ms: 60_000 })),
      pops: asks(queue("pop", "nobody")),
    });
    await untilWaiting(server, run, "mail", 1);
    await untilWaiting(server, run, "nobody", 1);
    expect((await server.heddle.findings(run)).findings).toEqual([]);
    result(await fromOutside(server, run, queue("push", "mail", { messages: ["hi"] })));
    const [told] = await answersOf(server, run, "pops");
    expect(error(told)).toMatchObject({ code: "deadlock_victim" });
    const { findings } = await server.heddle.findings(run);
    expect(findings.map(({ kind }) => kind)).toEqual(["stall", "deadlock"]);
  });

  it("each explains itself", async () => {
    const run = await makeRun();
    const actor = await server.heddle.openActor(run);
    const call = (op: Op) =>
      server.heddle.callTool(run, op.tool, { arguments: op.arguments, actor: actor.id, wait_ms: 0 });
    await call(semaphore("create", "s", { permits: 3 }));
    await call(semaphore("acquire", "s", { permits: 2 }));
    await call(queue("push", "q", { messages: [1, 2] }));
    await call(future("resolve", "f", { value: { long: "x".repeat(40_000) } }));
    await call(barrier("wait", "b", { parties: 4 }));
    const look = (name: string) => server.heddle.variable(run, name);
    expect(await look("s")).toMatchObject({
      kind: "semaphore",
      state: { permits: 3, available: 1 },
      holders: [{ task: actor.id, permits: 2 }],
      ops: { grants: 1 },
    });
    expect(await look("q")).toMatchObject({ state: { size: 2, capacity: 10_000, closed: false }, ops: { pushed: 2 } });
    expect(await look("b")).toMatchObject({
      state: { parties: 4, waiting: 1 },
      waiters: [{ task: actor.id, parties: 4 }],
    });
    const settled = await look("f");
    expect(settled.state).toMatchObject({ state: "resolved" });
    expect(JSON.stringify(settled).length).toBeLessThan(36_000);
    const { variables } = await server.heddle.variables(run);
    expect(variables.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "s semaphore",
      "q message_queue",
      "f future",
      "b barrier",
    ]);
  });
});

describe("what they refuse, and then nothing is done", () => {
  let run: string;
  beforeAll(async () => {
    run = await makeRun();
    for (const op of [
      semaphore("create", "s", { permits: 2 }),
      queue("create", "small", { capacity: 2 }),
      queue("close", "shut"),
      future("resolve", "f", { value: 1 }),
    ])
      result(await fromOutside(server, run, op));
  });

  test.each<[string, Op, string]>([
    ["an op that the kind has not", semaphore("signal", "s"), "unknown_op"],
    ["a semaphore without permits", semaphore("create", "t", { permits: 0 }), "bad_arguments"],
    ["negative permits", semaphore("acquire", "s", { permits: -1 }), "bad_arguments"],
    ["another number of permits", semaphore("create", "s", { permits: 3 }), "already_created"],
    ["a name of another kind", queue("push", "s", { messages: [1] }), "kind_mismatch"],
    ["a hold by nobody", semaphore("acquire", "s"), "needs_actor"],
    ["a wait by nobody", future("await", "later"), "needs_actor"],
    ["no messages", queue("push", "small", { messages: [] }), "bad_arguments"],
    ["more than ever fit", queue("push", "small", { messages: [1, 2, 3] }), "over_capacity"],
    ["a push to a closed queue", queue("push", "shut", { messages: [1] }), "queue_closed"],
    ["another capacity", queue("create", "small", { capacity: 3 }), "already_created"],
    ["a message over 128 KiB", queue("push", "small", { messages: ["x".repeat(140_000)] }), "value_too_large"],
    ["a second value", future("resolve", "f", { value: 2 }), "already_settled"],
    ["a value and an error", future("resolve", "g", { value: 1, error: 2 }), "bad_arguments"],
    ["a mode for one future", future("await", "f", { mode: "any" }), "bad_arguments"],
    ["a barrier without parties", barrier("wait", "b"), "bad_arguments"],
    ["a name that breaks a line", future("peek", "a\nb"), "bad_name"],
  ])("%s", async (_, op, code) => {
    expect(error(await fromOutside(server, run, op))).toMatchObject({ code });
  });

  it("by a task: releases of what it has not, permits beyond all, an unknown member, and itself in the way", async () => {
    await post(run, {
      task: asks(
        semaphore("release", "s"),
        semaphore("acquire", "none"),
        semaphore("acquire", "s", { permits: 3 }),
        semaphore("acquire", "s", { permits: 2 }),
        semaphore("acquire", "s"),
        barrier("wait", "b", { parties: 2, members: ["nobody"] }),
        lock("release", "l"),
      ),
    });
    const answers = await answersOf(server, run, "task");
    expect(answers.map((answer) => error(answer)?.code ?? "")).toEqual([
      "not_holder",
      "not_created",
      "over_capacity",
      "",
      "would_deadlock",
      "unknown_task",
      "not_holder",
    ]);
    const { variables } = await server.heddle.variables(run);
    expect(variables.map(({ name }) => name)).toEqual(["s", "small", "shut", "f"]);
    expect((await server.heddle.variable(run, "s")).holders).toEqual([]);
  });

  it("on an ended run: looks are answered, all else is run_ended", async () => {
    await server.heddle.finishRun(run);
    expect(result(await fromOutside(server, run, future("peek", "f")))).toEqual({ state: "resolved", value: 1 });
    expect(result(await fromOutside(server, run, queue("size", "never")))).toMatchObject({ size: 0 });
    for (const op of [
      queue("push", "small", { messages: [1] }),
      future("resolve", "h", { value: 1 }),
      queue("pop", "small"),
    ])
      await expect(fromOutside(server, run, op)).rejects.toMatchObject({ code: "run_ended" });
    expect((await server.heddle.variables(run)).variables.map(({ name }) => name)).not.toContain("never");
  });
});
