/** What comes twice, late or forged: the first answer, `lease_lost`, and nothing changed. */

import { describe, expect, it } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import { actorCallsMax, leaseMs } from "../../src/limits.ts";
import type { Idem, Reply } from "../../src/objects/rpc.ts";
import { codeOf, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const box = (key: string) => ({ key, pool: "box", instructions: `do ${key}` });
const idem = (key: string, fingerprint = key): Idem => ({ key, fingerprint });

describe("a repeated Idempotency-Key", () => {
  type Call = (run: TestRun, key: Idem) => Promise<Reply<unknown>>;
  const calls: [string, Call][] = [
    ["createTasks", (run, key) => run.rpc.createTasks({ tasks: [{ instructions: "one more" }] }, key)],
    [
      "appendContext",
      async (run, key) =>
        run.rpc.appendContext({ after: (await run.view()).snapshot, messages: ['{"role":"user","content":"x"}'] }, key),
    ],
    ["pause", (run, key) => run.rpc.pause(key)],
    ["cancelTask", (run, key) => run.rpc.cancelTask("a", "no", key)],
    ["budget", (run, key) => run.rpc.budget({ tokens: 1000 }, key)],
    ["cancelRun", (run, key) => run.rpc.cancelRun("no", key)],
    ["finishRun", (run, key) => run.rpc.finishRun({ cancel: true }, key)],
  ];

  it.each(calls)("gets the first answer of %s, also after an eviction; another body is a mismatch", async (_, call) => {
    const run = await makeRun();
    await run.create(box("a"));
    const first = await call(run, idem("k"));
    expect(codeOf(first)).toBe("ok");
    const { last_seq } = await run.view();
    // What has changed meanwhile does not change the answer.
    await run.rpc.cancelTask("a", undefined);
    expect(await call(run, idem("k"))).toEqual(first);
    await run.evict();
    expect(await call(run, idem("k"))).toEqual(first);
    expect(codeOf(await call(run, idem("k", "another body")))).toBe("idempotency_mismatch");
    expect((await run.view()).last_seq).toBeLessThanOrEqual(last_seq + 1);
  });

  it("creates a run once, and never another one in its place", async () => {
    const tenant = newTenant();
    const name = { tenant, run: "run_11111111111111111111" };
    const run = await makeRun({ ...name, name: "first" }, idem("k"));
    await run.create(box("a"));
    const again = await run.rpc.createRun(
      { ...name, name: "first", context: { format: "openai", messages: [] }, limits: {} },
      idem("k"),
    );
    expect(value(again)).toMatchObject({ name: "first", format: "anthropic", last_seq: 1 });
    const other = await run.rpc.createRun(
      { ...name, context: { format: "openai", messages: [] }, limits: {} },
      idem("k", "another body"),
    );
    expect(codeOf(other)).toBe("idempotency_mismatch");
    expect((await run.tasks()).length).toBe(1);
  });

  it("of a refused call is free again: a refusal changes nothing", async () => {
    const run = await makeRun();
    const cycle = [
      { key: "x", instructions: "x", after: ["y"] },
      { key: "y", instructions: "y", after: ["x"] },
    ];
    expect(codeOf(await run.rpc.createTasks({ tasks: cycle }, idem("k", "bad")))).toBe("dependency_cycle");
    expect(codeOf(await run.rpc.createTasks({ tasks: [box("x")] }, idem("k", "good")))).toBe("ok");
  });

  it("of a call that waits takes its place up again, and has the answer when there is one", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    const use = (args: object, more: object = {}) => ({
      tool: "lock",
      arguments: JSON.stringify(args),
      waitMs: 0,
      ...more,
    });
    const acquire = use({ op: "acquire", name: "l" });
    const session = async () => ({ actor: value(await run.rpc.openActor({ ttlMs: 60_000 })).id });
    const [holder, other] = [await session(), await session()];
    value(await run.rpc.callTool({ ...acquire, ...holder }));
    const lease = (await run.lease())!;
    const calls = [
      (waitMs: number) => run.rpc.callTool({ ...acquire, ...other, waitMs }, idem("session")),
      (waitMs: number) => run.rpc.leaseTool(lease, { ...acquire, waitMs }, idem("lease")),
    ];
    const first = await Promise.all(calls.map((call) => call(0)));
    expect(first.map((reply) => Object.keys(value(reply)))).toEqual([
      ["pending", "call_id"],
      ["pending", "call_id"],
    ]);
    await run.evict();
    expect(await Promise.all(calls.map((call) => call(0)))).toEqual(first);
    for (const [i, call] of calls.entries()) {
      const answer = call(5000);
      const before = [holder, other][i]!;
      value(await run.rpc.callTool(use({ op: "release", name: "l" }, before)));
      const granted = value(await answer);
      expect(granted).toMatchObject({ result: { token: expect.any(Number) } });
      expect(value(await call(0))).toEqual(granted);
    }
  });

  describe("of a lease's call that waited, once a turn has come", () => {
    const pop = { tool: "message_queue", arguments: JSON.stringify({ op: "pop", name: "q" }), waitMs: 0 };
    const said = { messages: ['{"role":"assistant","content":"on"}'] };
    const push = (run: TestRun, message: string) => {
      const args = JSON.stringify({ op: "push", name: "q", messages: [message] });
      return run.rpc.callTool({ tool: "message_queue", arguments: args, waitMs: 0 });
    };
    const leased = async () => {
      const run = await makeRun({ limits: { pools: ["box"], workers: 1 } });
      await run.create(box("a"), box("b"));
      return { run, lease: (await run.lease())! };
    };

    it("has the answer that it had, and takes nothing a second time", async () => {
      const { run, lease } = await leased();
      expect(value(await run.rpc.leaseTool(lease, pop, idem("k")))).toMatchObject({ pending: true });
      value(await push(run, "first"));
      value(await push(run, "second"));
      value(await run.rpc.turn(lease, said));
      for (let i = 0; i < 2; i++)
        expect(value(await run.rpc.leaseTool(lease, pop, idem("k")))).toEqual({ result: { messages: ["first"] } });
      await run.evict();
      expect(value(await run.rpc.leaseTool(lease, pop, idem("k")))).toEqual({ result: { messages: ["first"] } });
      expect(value(await run.rpc.leaseTool(lease, pop, idem("another")))).toEqual({ result: { messages: ["second"] } });
    });

    it("waits anew where it had none, and a poll under way says so at once; until then the lease is at work", async () => {
      const { run, lease } = await leased();
      const poll = run.rpc.leaseTool(lease, { ...pop, waitMs: 600_000 }, idem("k"));
      await expect.poll(async () => (await run.task("a")).waiting_on).not.toBeNull();
      value(await run.rpc.turn(lease, said));
      const pending = value(await poll);
      expect(pending).toMatchObject({ pending: true });
      // Its place is not another task's any more.
      expect(await run.lease()).toBeUndefined();
      expect(value(await run.rpc.leaseTool(lease, pop, idem("k")))).toEqual(pending);
      expect((await run.task("a")).waiting_on).toMatchObject({ variables: ["q"] });
      expect(await run.lease()).toMatchObject({ task: { key: "b" } });
      value(await push(run, "first"));
      expect(value(await run.rpc.leaseTool(lease, pop, idem("k")))).toEqual({ result: { messages: ["first"] } });
    });
  });

  it("of a session's call that waited has the answer that it had, however many calls the session has made since", async () => {
    const run = await makeRun();
    const actor = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const queue = (args: object) => ({
      ...{ tool: "message_queue", arguments: JSON.stringify({ name: "q", ...args }), waitMs: 0 },
    });
    const pop = { ...queue({ op: "pop" }), actor };
    expect(value(await run.rpc.callTool(pop, idem("k")))).toMatchObject({ pending: true });
    value(await run.rpc.callTool(queue({ op: "push", messages: ["first"] })));
    for (let i = 0; i <= actorCallsMax; i++) {
      const lock = JSON.stringify({ op: "try_acquire", name: "l" });
      value(await run.rpc.callTool({ tool: "lock", arguments: lock, callId: `c${i}`, waitMs: 0, actor }));
    }
    expect(value(await run.rpc.callTool(pop, idem("k")))).toEqual({ result: { messages: ["first"] } });
  });

  it("of a session's call by its call_id gets the first answer, and other arguments under it are refused: waiting, answered, after many others, and after a load", async () => {
    const run = await makeRun();
    const actor = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const call = (args: object, more: { tool?: string; callId?: string } = {}) =>
      run.rpc.callTool({ tool: "message_queue", arguments: JSON.stringify(args), waitMs: 0, actor, ...more });
    const [q, r] = [
      { op: "pop", name: "q" },
      { op: "pop", name: "r" },
    ];
    const pending = { pending: true, call_id: "c" };
    expect(value(await call(q, { callId: "c" }))).toEqual(pending);
    const unnamed = value(await call({ ...q, timeout_ms: 30_000 })) as { call_id: string };
    const mismatch = async () => {
      expect(codeOf(await call(r, { callId: "c" }))).toBe("idempotency_mismatch");
      expect(codeOf(await call({ op: "acquire", name: "l" }, { tool: "lock", callId: "c" }))).toBe(
        "idempotency_mismatch",
      );
      expect(codeOf(await call(r, { callId: unnamed.call_id }))).toBe("idempotency_mismatch");
    };
    await mismatch();
    expect(value(await call(q, { callId: "c" }))).toEqual(pending);
    value(
      await run.rpc.callTool({
        tool: "message_queue",
        arguments: JSON.stringify({ op: "push", name: "q", messages: ["first"] }),
        waitMs: 0,
      }),
    );
    await mismatch();
    await run.evict();
    await mismatch();
    for (let i = 0; i <= actorCallsMax; i++)
      value(await call({ op: "try_acquire", name: "l" }, { tool: "lock", callId: `c${i}` }));
    await mismatch();
    expect(value(await call(q, { callId: "c" }))).toEqual({ result: { messages: ["first"] } });
    // Another session's call of that name is another call.
    const other = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const others = { tool: "message_queue", arguments: JSON.stringify(r), waitMs: 0, callId: "c", actor: other };
    expect(value(await run.rpc.callTool(others))).toEqual(pending);
  });

  it("of a session's call has the answer that it had when the session is over, and not a lock that it held", async () => {
    const run = await makeRun();
    const actor = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const call = (tool: string, args: object, more: object = { actor }) =>
      run.rpc.callTool({ tool, arguments: JSON.stringify(args), waitMs: 0, ...more });
    const pop = (more: object) => call("message_queue", { op: "pop", name: "q" }, { actor, ...more });
    const acquire = () => call("lock", { op: "acquire", name: "l" }, { actor, callId: "l" });
    for (const name of ["one", "two", "three"])
      expect(value(await pop({ callId: name }))).toMatchObject({ pending: true });
    value(await acquire());
    const poll = pop({ callId: "three", waitMs: 600_000 });
    const push = (message: string) => call("message_queue", { op: "push", name: "q", messages: [message] }, {});
    value(await push("first"));
    value(await push("second"));
    expect(value(await pop({ callId: "one" }))).toEqual({ result: { messages: ["first"] } });
    value(await run.rpc.closeActor(actor));
    expect(codeOf(await poll)).toBe("not_found");
    await run.evict();
    for (const [name, message] of [
      ["one", "first"],
      ["two", "second"],
    ])
      expect(value(await pop({ callId: name }))).toEqual({ result: { messages: [message] } });
    expect(codeOf(await call("message_queue", { op: "pop", name: "r" }, { actor, callId: "one" }))).toBe(
      "idempotency_mismatch",
    );
    for (const callId of ["three", "four", undefined]) expect(codeOf(await pop({ callId }))).toBe("not_found");
    expect(codeOf(await acquire())).toBe("not_found");
  });

  it("of a pull worker's call by its call_id gets the first answer, and other arguments under it are refused: waiting, answered, after a load, and of data", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    const lease = (await run.lease())!;
    const call = (tool: string, args: object) =>
      run.rpc.leaseTool(lease, { tool, arguments: JSON.stringify(args), callId: "c", waitMs: 0 });
    const turn = async () => value(await run.rpc.turn(lease, { messages: [] }));
    const refused = async (tool: string, args: object) =>
      expect(codeOf(await call(tool, args))).toBe("idempotency_mismatch");

    const pop = { op: "pop", name: "q" };
    expect(value(await call("message_queue", pop))).toEqual({ pending: true, call_id: "c" });
    await refused("message_queue", { op: "pop", name: "r" });
    await refused("shared_map", { op: "set", name: "m", key: "k", value: 1 });
    const push = { op: "push", name: "q", messages: ["first"] };
    value(await run.rpc.callTool({ tool: "message_queue", arguments: JSON.stringify(push), waitMs: 0 }));
    await run.evict();
    await refused("message_queue", { op: "pop", name: "r" });
    expect(value(await call("message_queue", pop))).toEqual({ result: { messages: ["first"] } });

    // Providers use ids again: in another turn it is another call.
    await turn();
    const acquire = { op: "try_acquire", name: "l" };
    const held = value(await call("lock", acquire));
    await refused("lock", { op: "try_acquire", name: "other" });
    expect(value(await call("lock", acquire))).toEqual(held);

    await turn();
    const add = { op: "add", name: "n", delta: 1 };
    const added = value(await call("atomic", add));
    await refused("atomic", { ...add, delta: 2 });
    expect(value(await call("atomic", add))).toEqual(added);

    // A program that is tried again need not find the same: what was done first counts, and once.
    await turn();
    const push2 = { op: "push", name: "q", messages: ["of the first attempt"] };
    const first = [value(await call("message_queue", push2)), added];
    value(await run.rpc.leaseTool(lease, { tool: "atomic", arguments: JSON.stringify(add), callId: "d", waitMs: 0 }));
    value(await run.rpc.fail(lease, { error: { code: "worker_stopped", message: "" }, retryable: true }));
    const next = (await run.lease())!;
    const again = (tool: string, args: object, callId: string) =>
      run.rpc.leaseTool(next, { tool, arguments: JSON.stringify(args), callId, waitMs: 0 });
    expect(value(await again("message_queue", { ...push2, messages: ["of the second"] }, "c"))).toEqual(first[0]);
    expect(value(await again("atomic", { ...add, delta: 7 }, "d"))).toMatchObject({ result: { value: 2 } });
    expect(await run.events()).toEqual(
      expect.arrayContaining([expect.objectContaining({ type: "call_waiting", print: expect.any(String) })]),
    );
  });

  it("of a pull worker's call that another worker's call of the same id has ended is not taken for that one", async () => {
    const run = await makeRun();
    await run.create(box("a"), box("b"));
    const leases = [(await run.lease())!, (await run.lease())!];
    const arrive = (i: number, more: object) =>
      run.rpc.leaseTool(leases[i]!, {
        tool: "barrier",
        arguments: JSON.stringify({ op: "wait", name: "b", parties: 2, ...more }),
        callId: "call_1",
        waitMs: 0,
      });
    expect(value(await arrive(0, { timeout_ms: 60_000 }))).toEqual({ pending: true, call_id: "call_1" });
    expect(value(await arrive(1, {}))).toMatchObject({ result: { index: 1 } });
    expect(value(await arrive(0, { timeout_ms: 60_000 }))).toMatchObject({ result: { index: 0 } });
  });

  it("of complete with `next` gets the same next lease while that is open", async () => {
    const run = await makeRun();
    await run.create(box("a"), box("b"));
    const a = (await run.lease())!;
    const input = { result: "done", next: true, worker: "w" };
    const first = value(await run.rpc.complete(a, input, idem("k")));
    expect(first.lease).toMatchObject({ task: { key: "b" } });
    expect(value(await run.rpc.complete(a, input, idem("k")))).toEqual(first);
    value(await run.rpc.complete(first.lease!, { ...input, next: false }));
    expect(value(await run.rpc.complete(a, input, idem("k")))).toEqual({});
    expect(await run.tasks()).toMatchObject([{ attempts: 1 }, { attempts: 1 }]);
  });

  it("of a lease, and of complete with `next`, tells what the first answer told, though a dependency has another result by now", async () => {
    const run = await makeRun();
    await run.create(
      box("a"),
      box("b"),
      ...["c", "d"].map((key) => ({ ...box(key), after: ["a"], instructions: "use {{a}}" })),
    );
    value(await run.rpc.complete((await run.lease())!, { result: "old", next: false, worker: "w" }));
    const b = (await run.lease())!;
    const asked = { pool: "box", worker: "w", max: 1, contextBytes: 1e6 };
    const leases = value(await run.rpc.leases(asked, idem("l")));
    const next = value(await run.rpc.complete(b, { result: "b", next: true, worker: "w" }, idem("k")));
    const told = (grant: unknown) => {
      const { task, contextText } = grant as LeaseGrant;
      return [task.key, task.instructions, contextText];
    };
    const first = [told(leases[0]), told(next.lease)];
    expect(first).toMatchObject([
      ["c", expect.stringContaining("old"), expect.stringContaining("old")],
      ["d", expect.stringContaining("old"), expect.stringContaining("old")],
    ]);
    value(await run.rpc.retryTask("a", undefined));
    value(await run.rpc.complete((await run.lease())!, { result: "new", next: false, worker: "w" }));
    const again = value(await run.rpc.complete(b, { result: "b", next: true, worker: "w" }, idem("k")));
    expect([told(value(await run.rpc.leases(asked, idem("l")))[0]), told(again.lease)]).toEqual(first);
  });

  it("of complete with `next` takes the next task back that can't be told again, since a dependency was retried", async () => {
    const run = await makeRun();
    await run.create(box("a"), box("b"), { ...box("c"), after: ["a"], instructions: "go on from {{a}}" });
    const input = { result: "done", next: true, worker: "w" };
    value(await run.rpc.complete((await run.lease())!, { ...input, next: false }));
    const b = (await run.lease())!;
    const { lease: next } = value(await run.rpc.complete(b, input, idem("k")));
    expect(next).toMatchObject({ task: { key: "c" } });
    value(await run.rpc.retryTask("a", undefined));
    expect(value(await run.rpc.complete(b, input, idem("k")))).toEqual({});
    expect(await run.task("c")).toMatchObject({ state: expect.stringMatching(/ready|waiting/) });
    expect(codeOf(await run.rpc.renew(next!))).toBe("lease_lost");
  });
});

it("who goes on with `next` has to ask for leases after a while, whatever it calls itself and whoever has forgotten it", async () => {
  using clock = new TestClock();
  const run = await makeRun();
  await run.create(...["a", "b", "c", "d", "e"].map(box));
  let lease = (await run.lease())!;
  const go = async (worker: string) => {
    clock.forward(leaseMs - 1000);
    const { lease: next } = value(await run.rpc.complete(lease, { result: "done", next: true, worker }));
    if (next) lease = next as typeof lease;
    return next !== undefined;
  };
  await run.evict();
  expect(await go("another")).toBe(true);
  expect(await go("yet another")).toBe(true);
  expect(await go("")).toBe(true);
  expect(await go("a fourth")).toBe(false);
  expect((await run.events()).filter(({ type }) => type === "task_started").map(({ worker }) => worker)).toEqual(
    Array(4).fill("w"),
  );
});

describe("a stale lease", () => {
  it("is refused whatever it is used for; the refusal is logged and nothing else changes", async () => {
    const run = await makeRun();
    const [id] = await run.create(box("a"));
    const old = (await run.lease())!;
    value(await run.rpc.fail(old, { error: { code: "x", message: "" }, retryable: false }));
    value(await run.rpc.retryTask(id!, undefined));
    const fresh = (await run.lease())!;
    const before = await run.task(id!);
    const { last_seq } = await run.view();
    for (const lease of [old, { taskNumber: 1, fence: 99 }, { taskNumber: 1, fence: 0 }, { taskNumber: 7, fence: 1 }]) {
      const messages = ['{"role":"assistant","content":"late"}'];
      const tool = { tool: "create_task", callId: "late", arguments: '{"instructions":"late"}', waitMs: 0 };
      for (const reply of [
        await run.rpc.renew(lease),
        await run.rpc.turn(lease, { messages }),
        await run.rpc.leaseTool(lease, tool),
        await run.rpc.complete(lease, { result: "late", next: true, worker: "w" }),
        await run.rpc.fail(lease, { error: { code: "late", message: "" }, retryable: true }),
        await run.rpc.leaseAgain(lease),
      ]) {
        expect(codeOf(reply)).toBe("lease_lost");
      }
      expect(await run.rpc.renewSeat(lease)).toEqual({ held: false, watched: false });
      expect(await run.rpc.leaveSeat(lease, { kind: "give_back" }, undefined)).toEqual({ kind: "over" });
      expect(await run.rpc.reserve(lease, { inputTokens: 1, outputTokens: 1 })).toEqual({ kind: "lost" });
    }
    expect(await run.task(id!)).toEqual(before);
    expect((await run.tasks()).length).toBe(1);
    const since = (await run.events()).filter(({ seq }) => seq > last_seq);
    expect(new Set(since.map(({ type }) => type))).toEqual(new Set(["late_refused"]));
    value(await run.rpc.complete(fresh, { result: "in time", next: false, worker: "w" }));
  });

  it("of a run that has ended is refused too, and the log has ended: its followers were told that this was all", async () => {
    const run = await makeRun();
    await run.create(box("a"), { key: "b", instructions: "b" });
    const lease = (await run.lease())!;
    const seat = (await run.seat("seat"))!;
    value(await run.rpc.finishRun({ cancel: true }));
    const { last_seq } = await run.view();
    const messages = [...seat.fork, '{"role":"assistant","content":"late"}'];
    const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
    expect(codeOf(await run.rpc.complete(lease, { result: "late", next: true, worker: "w" }))).toBe("lease_lost");
    expect(await run.rpc.seatTurn(seat, { messages, usage, calls: [] }, nextTask("seat"))).toEqual({ kind: "over" });
    expect(await run.rpc.leaveSeat(seat, { kind: "give_back" }, undefined)).toEqual({ kind: "over" });
    const late = { taskNumber: 2, fence: 2, call: 9 };
    expect(codeOf(await run.rpc.complete(late, { result: "late", next: false, worker: "w" }))).toBe("lease_lost");
    const outcome = { kind: "result", result: "late", isError: false } as const;
    expect(await run.rpc.endUrlCall(late, outcome, undefined)).toEqual({ kind: "over" });
    const events = await run.events();
    expect(events.at(-1)).toMatchObject({ seq: last_seq, type: "run_ended" });
  });

  it("of a run that is deleted is lost, too", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    const lease = (await run.lease())!;
    value(await run.rpc.deleteRun());
    expect(codeOf(await run.rpc.complete(lease, { result: 1, next: false, worker: "w" }))).toBe("lease_lost");
    expect(codeOf(await run.rpc.run())).toBe("not_found");
    await run.evict();
    expect(codeOf(await run.rpc.run())).toBe("not_found");
    expect(codeOf(await run.rpc.createTasks({ tasks: [box("b")] }))).toBe("not_found");
  });
});

describe("a seat's ticket", () => {
  it("that comes twice opens one seat; so does one that comes when its task is taken", async () => {
    const run = await makeRun();
    await run.create({ key: "h", instructions: "do h" }, { key: "i", instructions: "do i" });
    const ticket = (nonce: string) => ({ tenant: run.tenant, run: run.id, nonce, shard: 0 });
    expect(await run.rpc.openSeat(ticket("s1"), nextTask("s1"))).toMatchObject({ taskNumber: 1 });
    expect(await run.rpc.openSeat(ticket("s1"), nextTask("s1"))).toBeUndefined();
    expect(await run.rpc.openSeat(ticket("s2"), nextTask("s2"))).toMatchObject({ taskNumber: 2 });
    await run.evict();
    expect(await run.rpc.openSeat(ticket("s1"), nextTask("s1"))).toBeUndefined();
    expect((await run.view()).counts.running).toBe(2);
  });

  it("of a run that is not there opens none", async () => {
    const nobody = new TestRun(newTenant(), "run_22222222222222222222");
    const ticket = { tenant: nobody.tenant, run: nobody.id, nonce: "s", shard: 0 };
    expect(await nobody.rpc.openSeat(ticket, nextTask("s"))).toBeUndefined();
  });
});
