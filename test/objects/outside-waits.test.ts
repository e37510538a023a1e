/** `await_tasks` of the agent outside: what it has seen, and when it gives up. */

import { describe, expect, it } from "vitest";
import { idempotencyMs, outsideWaitToldMs } from "../../src/limits.ts";
import { codeOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const box = (key: string) => ({ key, pool: "box", instructions: `do ${key}` });

const asked = (args: object, more: { callId?: string; waitMs?: number } = {}) => ({
  tool: "await_tasks",
  arguments: JSON.stringify(args),
  waitMs: 0,
  ...more,
});

async function failNext(run: TestRun): Promise<void> {
  const error = { code: "no_disk", message: "The disk is gone." };
  value(await run.rpc.fail((await run.lease())!, { error, retryable: false }));
}

it("a wait for a whole run is over at rest, and with `any` at the first success of its tasks", async () => {
  const run = await makeRun();
  await run.create(box("a"), box("b"), box("c"));
  const [any, all] = [
    run.rpc.wait({ mode: "any", timeoutMs: 20_000 }),
    run.rpc.wait({ mode: "all", timeoutMs: 20_000 }),
  ];
  await failNext(run);
  expect(value(await run.rpc.wait({ mode: "any", timeoutMs: 0 }))).toMatchObject({
    done: false,
    counts: { failed: 1 },
  });
  value(await run.rpc.complete((await run.lease())!, { result: 1, next: false, worker: "w" }));
  expect(value(await any)).toMatchObject({ done: true, counts: { succeeded: 1, ready: 1 } });
  expect(value(await run.rpc.wait({ mode: "settled", timeoutMs: 0 }))).toMatchObject({ done: false });
  await failNext(run);
  expect(value(await all)).toMatchObject({ done: true, counts: { succeeded: 1, failed: 2 } });
});

describe("a failure that the agent outside is told of by await_tasks", () => {
  const finished = async (run: TestRun) => value(await run.rpc.finishRun({ cancel: true })).status;

  it("is handled: the run that it finishes then has succeeded, where one that only looked has failed", async () => {
    for (const [sees, status] of [
      [true, "succeeded"],
      [false, "failed"],
    ] as const) {
      const run = await makeRun();
      await run.create(box("a"));
      await failNext(run);
      expect(value(await run.rpc.wait({ tasks: ["a"], mode: "all", timeoutMs: 0 }))).toMatchObject({ done: true });
      if (sees)
        expect(value(await run.rpc.callTool(asked({ tasks: ["a"] })))).toMatchObject({
          result: { tasks: [{ key: "a", state: "failed", error: { code: "no_disk" } }] },
        });
      expect(await finished(run)).toBe(status);
    }
  });

  it("is handled, too, where the call was waiting for it, and where its time was over before the others ended", async () => {
    const run = await makeRun();
    await run.create(box("a"), box("b"), box("c"));
    const waiting = run.rpc.callTool(asked({ tasks: ["a"] }, { waitMs: 10_000 }));
    await failNext(run);
    expect(value(await waiting)).toMatchObject({ result: { tasks: [{ state: "failed" }] } });
    await failNext(run);
    expect(value(await run.rpc.callTool(asked({ tasks: ["b", "c"], mode: "settled", timeout_ms: 0 })))).toMatchObject({
      error: { code: "timed_out", tasks: [{ state: "failed" }, { state: "ready" }] },
    });
    expect(await finished(run)).toBe("succeeded");
  });

  it("changes nothing about a run that had ended before the answer", async () => {
    const run = await makeRun();
    await run.create(box("a"), box("b"));
    await failNext(run);
    const waiting = run.rpc.callTool(asked({ tasks: ["a", "b"], mode: "settled" }, { waitMs: 10_000 }));
    expect(await finished(run)).toBe("failed");
    const { last_seq: before } = await run.view();
    expect(value(await waiting)).toMatchObject({ result: { tasks: [{ state: "failed" }, { state: "cancelled" }] } });
    expect(await run.view()).toMatchObject({ status: "failed", last_seq: before });
  });
});

describe("await_tasks of the agent outside on a run that has ended", () => {
  const reply = (id: string) => [
    `{"role":"assistant","content":[{"type":"tool_use","id":"${id}","name":"await_tasks","input":{"tasks":["a"]}}]}`,
  ];

  it("tells how the tasks ended, as all that looks does: the run may have ended between two of its polls", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    const { snapshot } = await run.view();
    const poll = { ...asked({ tasks: ["a"] }, { callId: "c1" }), snapshot, messages: reply("c1") };
    expect(value(await run.rpc.callTool(poll))).toEqual({ pending: true, call_id: "c1" });
    value(await run.rpc.finishRun({ cancel: true }));
    const before = await run.view();
    for (const input of [poll, asked({ tasks: ["a"], timeout_ms: 0 }), { ...poll, messages: [] }])
      expect(value(await run.rpc.callTool(input))).toMatchObject({
        result: { tasks: [{ key: "a", state: "cancelled" }] },
      });
    expect(value(await run.rpc.callTool(asked({ tasks: ["b"] })))).toMatchObject({ error: { code: "unknown_task" } });
    expect(await run.view()).toEqual(before);
  });

  it("is refused where it would add to the context, as all that writes is", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    value(await run.rpc.finishRun({ cancel: true }));
    const { snapshot } = await run.view();
    const late = { ...asked({ tasks: ["a"] }, { callId: "c1" }), snapshot, messages: reply("c1") };
    expect(codeOf(await run.rpc.callTool(late))).toBe("run_ended");
  });
});

describe("await_tasks of the agent outside with a timeout_ms", () => {
  it("gives up when that is over since it was first asked for, and not when its poll is", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const args = { tasks: ["a"], timeout_ms: 5_000 };
    const again = () => run.rpc.callTool(asked(args, { callId: "c1" }));
    expect(value(await again())).toEqual({ pending: true, call_id: "c1" });
    clock.forward(4_999);
    expect(value(await again())).toEqual({ pending: true, call_id: "c1" });
    clock.forward(1);
    expect(value(await again())).toMatchObject({ error: { code: "timed_out", tasks: [{ key: "a", state: "ready" }] } });
  });

  it.each<[string, { callId?: string }, string?]>([
    ["its call_id", { callId: "c1" }],
    ["its Idempotency-Key", {}, "k1"],
  ])(
    "is told so again at once by %s, whose answer was lost; a while later the same is another wait",
    async (_, by, key) => {
      using clock = new TestClock();
      const run = await makeRun();
      await run.create(box("a"));
      const idem = key === undefined ? undefined : { key, fingerprint: "f" };
      const again = () => run.rpc.callTool(asked({ tasks: ["a"], timeout_ms: 5_000 }, by), idem);
      expect(value(await again())).toMatchObject({ pending: true });
      clock.forward(5_000);
      expect(value(await again())).toMatchObject({ error: { code: "timed_out" } });
      clock.forward(outsideWaitToldMs / 2);
      expect(value(await again())).toMatchObject({ error: { code: "timed_out" } });
      // Asking puts nothing off: who names two waits alike has the second one in the end.
      clock.forward(outsideWaitToldMs / 2);
      expect(value(await again())).toMatchObject({ pending: true });
      clock.forward(5_000);
      expect(value(await again())).toMatchObject({ error: { code: "timed_out" } });
      // What it waited for has come meanwhile: that is worth more than to hear the same again.
      await failNext(run);
      expect(value(await again())).toMatchObject({ result: { tasks: [{ key: "a", state: "failed" }] } });
    },
  );

  it.each<[string, { callId?: string }, string?]>([
    ["its call_id", { callId: "c1" }],
    ["its Idempotency-Key", {}, "k1"],
    ["the id that it was given", {}],
  ])("has no more of it when the object is loaded anew between two polls, known by %s", async (_, by, key) => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const idem = key === undefined ? undefined : { key, fingerprint: "f" };
    const first = value(await run.rpc.callTool(asked({ tasks: ["a"], timeout_ms: 5_000 }, by), idem));
    const given = first as { call_id: string };
    const name = key === undefined ? { callId: given.call_id } : {};
    const again = async () => {
      await run.evict();
      return value(await run.rpc.callTool(asked({ tasks: ["a"], timeout_ms: 5_000 }, name), idem));
    };
    expect(first).toMatchObject({ pending: true });
    clock.forward(4_999);
    expect(await again()).toMatchObject({ pending: true });
    clock.forward(1);
    expect(await again()).toMatchObject({ error: { code: "timed_out" } });
    clock.forward(outsideWaitToldMs - 1);
    expect(await again()).toMatchObject({ error: { code: "timed_out" } });
    await failNext(run);
    expect(await again()).toMatchObject({ result: { tasks: [{ key: "a", state: "failed" }] } });
  });

  it("is another wait by the same name once it had what it waited for, and lasts over days", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const again = (timeoutMs: number) =>
      run.rpc.callTool(asked({ tasks: ["a"], timeout_ms: timeoutMs }, { callId: "c1" }));
    expect(value(await again(5_000))).toMatchObject({ pending: true });
    await failNext(run);
    expect(value(await again(5_000))).toMatchObject({ result: { tasks: [{ state: "failed" }] } });
    value(await run.rpc.retryTask("a", undefined));
    clock.forward(60_000);
    expect(value(await again(5_000))).toMatchObject({ pending: true });
    // Answers are dropped after a day; a wait that is asked for meanwhile stays.
    for (let hours = 0; hours <= 36; hours += 6) {
      expect(value(await again(idempotencyMs * 1.5))).toMatchObject(hours < 36 ? { pending: true } : { error: {} });
      value(await run.rpc.openActor({ ttlMs: 60_000 }));
      clock.forward(idempotencyMs / 4);
      await run.evict();
      expect(await run.ring()).toBe(true);
    }
  });

  it("counts from the first request, too, where that had no id and the next have the one that it was given", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const args = { tasks: ["a"], timeout_ms: 5_000 };
    const first = value(await run.rpc.callTool(asked(args))) as { call_id: string };
    clock.forward(5_000);
    // The head has gone on meanwhile.
    const { snapshot } = await run.view();
    value(await run.rpc.appendContext({ after: snapshot, messages: ['{"role":"user","content":"Go on."}'] }));
    expect(value(await run.rpc.callTool(asked(args, { callId: first.call_id })))).toMatchObject({
      error: { code: "timed_out" },
    });
  });

  it("gives up within one poll that is longer", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    const long = asked({ tasks: ["a"], timeout_ms: 20 }, { waitMs: 60_000 });
    expect(value(await run.rpc.callTool(long))).toMatchObject({ error: { code: "timed_out" } });
  });

  it("names a call that came without an id, so that it can be asked for again", async () => {
    const run = await makeRun();
    await run.create(box("a"));
    expect(value(await run.rpc.callTool(asked({ tasks: ["a"] })))).toEqual({
      pending: true,
      call_id: expect.stringMatching(/^call_/),
    });
  });
});
