/** Which context a task gets: both formats, every `fork`, parallel calls. All of them keep the vendors' rules. */

import { describe, expect, it } from "vitest";
import { findForkText } from "../../src/context/fork-text.ts";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { withoutReasoning } from "../../src/context/reasoning.ts";
import type { Format, MessageText } from "../../src/context/types.ts";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import { runIdOf, type SnapshotHash } from "../../src/ids.ts";
import { dependencyUnitsMax, referencedUnitsMax } from "../../src/limits.ts";
import type { SeatReply, SeatWork } from "../../src/objects/seat-rpc.ts";
import { exported, imported } from "./lib/files.ts";
import { codeOf, makeRun, newTenant, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const user = (text: string) => JSON.stringify({ role: "user", content: text });
const assistant = (text: string) => JSON.stringify({ role: "assistant", content: text });
const ids = ["call_a", "call_b", "call_c"];

/** A reply with three calls, two of them `create_task`. */
const replyOf = (format: Format): string =>
  format === "anthropic"
    ? JSON.stringify({
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "c2ln" },
          ...ids.map((id, i) => ({ type: "tool_use", id, name: i === 1 ? "read" : "create_task", input: {} })),
        ],
      })
    : JSON.stringify({
        role: "assistant",
        content: null,
        tool_calls: ids.map((id, i) => ({
          id,
          type: "function",
          function: { name: i === 1 ? "read" : "create_task", arguments: "{}" },
        })),
      });
const resultsOf = (format: Format): string[] =>
  format === "anthropic"
    ? [
        JSON.stringify({
          role: "user",
          content: ids.map((id) => ({ type: "tool_result", tool_use_id: id, content: "ok" })),
        }),
      ]
    : ids.map((id) => JSON.stringify({ role: "tool", tool_call_id: id, content: "ok" }));

async function contextOf(run: TestRun, task: string): Promise<{ format: Format; messages: string[]; text: string }> {
  const { contextText } = value(await run.rpc.taskContext(task));
  const { format, messages } = JSON.parse(contextText) as { format: Format; messages: unknown[] };
  expect(checkMessages(format, messages)).toEqual([]);
  return { format, messages: rawElements(rawAt(contextText, ["messages"])!), text: contextText };
}

const callTool = (run: TestRun, call: string, snapshot: string | undefined, messages: string[], args: unknown) =>
  run.rpc.callTool({
    tool: "create_task",
    callId: call,
    arguments: JSON.stringify(args),
    messages,
    ...(snapshot !== undefined && { snapshot }),
    waitMs: 0,
  });

const created = async (reply: ReturnType<typeof callTool>): Promise<string[]> =>
  (value(await reply) as unknown as { result: { tasks: { id: string }[] } }).result.tasks.map(({ id }) => id);

describe.each(["anthropic", "openai"] as const)("in the %s format", (format) => {
  const base = [user("read this"), assistant("I have read it"), user("now split it")];
  const make = () => makeRun({ context: { format, model: "m", system: '"be brief"', messages: base } });

  it("each call of a reply forks with all calls answered, its own last", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const reply = replyOf(format);
    const [a] = await created(callTool(run, "call_a", snapshot, [reply], { key: "a", instructions: "do a" }));
    const [c, d] = await created(
      callTool(run, "call_c", snapshot, [reply], {
        tasks: [
          { key: "c", instructions: "do c" },
          { key: "d", instructions: "do d" },
        ],
      }),
    );
    for (const [task, call] of [
      [a!, "call_a"],
      [c!, "call_c"],
      [d!, "call_c"],
    ] as const) {
      const { messages } = await contextOf(run, task);
      expect(messages.slice(0, 4)).toEqual([...base, reply]);
      const after = messages.slice(4);
      const last = after.at(-1)!;
      expect(after).toHaveLength(format === "anthropic" ? 1 : 3);
      const own =
        format === "anthropic"
          ? (JSON.parse(last) as { content: { tool_use_id: string; content: string }[] }).content.at(-1)!
          : (JSON.parse(last) as { tool_call_id: string; content: string });
      expect("tool_use_id" in own ? own.tool_use_id : own.tool_call_id).toBe(call);
      expect(findForkText(own.content)).toMatchObject({ taskId: task });
    }
  });

  it("refuses a call that the reply does not hold, and posted tasks while calls are open", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const reply = replyOf(format);
    const stranger = await callTool(run, "call_x", snapshot, [reply], { instructions: "x" });
    expect(codeOf(stranger)).toBe("open_calls");
    await created(callTool(run, "call_a", snapshot, [reply], { instructions: "a" }));
    expect(codeOf(await run.rpc.createTasks({ tasks: [{ instructions: "posted" }] }))).toBe("open_calls");
    expect(codeOf(await run.rpc.createTasks({ tasks: [{ instructions: "posted" }], from: snapshot }))).toBe("ok");
    const { snapshot: head } = await run.view();
    value(await run.rpc.appendContext({ after: head, messages: resultsOf(format) }));
    expect(codeOf(await run.rpc.createTasks({ tasks: [{ instructions: "posted" }] }))).toBe("ok");
    expect((await run.tasks()).map(({ depth }) => depth)).toEqual([1, 1, 1]);
  });

  it("refuses results that no provider would take, with their place, and keeps nothing of them", async () => {
    const stray = resultsOf(format).at(-1)!;
    const at = format === "anthropic" ? "content[0].tool_use_id" : "tool_call_id";
    const refusal = (path: string) => ({
      ok: false,
      fault: { code: "validation_failed", errors: [{ path, message: expect.stringContaining("put the assistant") }] },
    });
    const messages = [user("read this"), stray];
    const none = new TestRun(newTenant(), runIdOf(crypto.getRandomValues(new Uint8Array(20))));
    const input = { tenant: none.tenant, run: none.id, limits: {} };
    expect(await none.rpc.createRun({ ...input, context: { format, messages } })).toMatchObject(
      refusal(`context.messages[1].${at}`),
    );
    expect(codeOf(await none.rpc.run())).toBe("not_found");
    const run = await make();
    const { snapshot } = await run.view();
    expect(await run.rpc.appendContext({ after: snapshot, messages })).toMatchObject(refusal(`messages[1].${at}`));
    expect(await callTool(run, "call_a", undefined, [stray], { instructions: "x" })).toMatchObject(
      refusal(`messages[0].${at}`),
    );
    expect((await run.view()).snapshot).toBe(snapshot);
    expect(await run.tasks()).toEqual([]);
    // Its call is in what it is appended to: once.
    const asked = value(await run.rpc.appendContext({ after: snapshot, messages: [replyOf(format)] })).snapshot;
    const answered = value(await run.rpc.appendContext({ after: asked, messages: resultsOf(format) })).snapshot;
    expect(value(await run.rpc.appendContext({ after: asked, messages: resultsOf(format) })).snapshot).toBe(answered);
    expect(codeOf(await run.rpc.appendContext({ after: answered, messages: resultsOf(format) }))).toBe(
      "validation_failed",
    );
  });

  it("refuses a task whose own messages no provider would take where they are to stand", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const reply = replyOf(format);
    const results = resultsOf(format);
    const at = format === "anthropic" ? "content[0].tool_use_id" : "tool_call_id";
    const task = (...messages: MessageText[]) => ({ instructions: "x", context: { messages } });
    const refusal = (path: string) => ({ ok: false, fault: { code: "validation_failed", errors: [{ path }] } });
    const post = (...tasks: ReturnType<typeof task>[]) => run.rpc.createTasks({ tasks });
    expect(await post(task(user("hi")), task(user("hi"), results[0]!))).toMatchObject(
      refusal(`tasks[1].context[1].${at}`),
    );
    // The instructions are to follow: nothing can answer these calls any more.
    const open = [reply, ...results].slice(0, format === "anthropic" ? 1 : 3);
    expect(await post(task(...open))).toMatchObject(refusal("tasks[0].context"));
    const none = new TestRun(newTenant(), runIdOf(crypto.getRandomValues(new Uint8Array(20))));
    const context = { format, messages: [] };
    const root = task(results[0]!);
    expect(await none.rpc.createRun({ tenant: none.tenant, run: none.id, limits: {}, context, root })).toMatchObject(
      refusal(`root.context[0].${at}`),
    );
    // A fork by a call has a result of each call of its reply already.
    const second = (messages: MessageText[]) => ({
      instructions: "x",
      context: messages.map((one) => JSON.parse(one)),
    });
    const outcome = value(await callTool(run, "call_a", snapshot, [reply], second(results)));
    expect(outcome).toMatchObject({
      error: { code: "validation_failed", message: expect.stringContaining(`tasks[0].context[0].${at}: a second`) },
    });
    expect(await run.tasks()).toEqual([]);
    const own = [reply, ...results].map((message) => message.replaceAll('"call_', '"own_'));
    const [forked] = await created(callTool(run, "call_c", snapshot, [reply], second(own)));
    await contextOf(run, forked!);
    value(await run.rpc.appendContext({ after: (await run.view()).snapshot, messages: results }));
    const { tasks } = value(await post(task(user("hi"), ...own)));
    await contextOf(run, tasks[0]!.id);
  });

  it("keeps what a run has, and lets it grow, whatever has been taken before", async () => {
    const stray = resultsOf(format);
    const run = await makeRun({ context: { format, messages: [] }, steps: [[user("hi")], stray] });
    const { snapshot } = await run.view();
    // Under a version that took such messages it was appended by itself; its repeat is still the same snapshot.
    const parent = value(await run.rpc.snapshot(snapshot)).parent!;
    expect(value(await run.rpc.appendContext({ after: parent, messages: stray })).snapshot).toBe(snapshot);
    const grown = value(await run.rpc.appendContext({ after: snapshot, messages: [user("go on")] })).snapshot;
    const copy = await imported(run, await exported(run));
    expect((await copy.view()).snapshot).toBe(grown);
  });

  it("gives the same snapshot to all calls of one reply, with a base or without", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const reply = replyOf(format);
    for (const from of [snapshot, undefined, undefined, snapshot]) {
      await created(callTool(run, from === undefined ? "call_a" : "call_c", from, [reply], { instructions: "same" }));
    }
    // The same call with the same arguments is one call: it has had its answer.
    const tasks = await run.tasks();
    expect(tasks).toHaveLength(2);
    expect(new Set(tasks.map(({ fork }) => fork.snapshot)).size).toBe(1);
  });

  it("leaves the head where it is when a call comes again after the conversation went on", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const calls = () =>
      Promise.all(
        ["atomic", "inspect", "create_task"].map((tool, i) =>
          run.rpc.callTool({
            tool,
            callId: ids[i]!,
            arguments: ['{"op":"add","name":"n","delta":1}', "{}", '{"instructions":"x"}'][i]!,
            messages: [replyOf(format)],
            snapshot,
            waitMs: 0,
          }),
        ),
      );
    const first = await calls();
    const replied = (await run.view()).snapshot;
    const after = value(await run.rpc.appendContext({ after: replied, messages: resultsOf(format) })).snapshot;
    const again = await calls();
    expect([again[0], again[2]]).toEqual([first[0], first[2]]);
    expect((await run.view()).snapshot).toBe(after);
    // Another branch from there is another conversation.
    value(await callTool(run, "call_d", snapshot, [user("rather this")], { instructions: "y" }));
    expect(value(await run.rpc.snapshot((await run.view()).snapshot)).parent).toBe(snapshot);
  });

  it("leaves the head where it is when messages are appended again after the conversation went on", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const append = async (after: string, messages: string[]) =>
      value(await run.rpc.appendContext({ after, messages })).snapshot;
    const first = await append(snapshot, [user("one")]);
    const second = await append(first, [user("two")]);
    const { last_seq } = await run.view();
    expect(await append(snapshot, [user("one")])).toBe(first);
    expect(await run.view()).toMatchObject({ snapshot: second, last_seq });
    const other = await append(first, [user("rather this")]);
    expect((await run.view()).snapshot).toBe(other);
    expect(await append(first, [user("two")])).toBe(second);
    expect((await run.view()).snapshot).toBe(second);
  });

  it("takes a reply that came with a session's blocking call, as with any other", async () => {
    const run = await make();
    const { snapshot } = await run.view();
    const actor = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const acquire = (callId: string, name: string, more: { snapshot?: string; messages?: string[] }) =>
      run.rpc.callTool({
        tool: "lock",
        callId,
        arguments: JSON.stringify({ op: "acquire", name }),
        waitMs: 0,
        actor,
        ...more,
      });
    value(await acquire("call_a", "L", { messages: [replyOf(format)] }));
    value(await acquire("call_b", "M", { messages: [replyOf(format)] }));
    const replied = (await run.view()).snapshot;
    expect(value(await run.rpc.snapshot(replied))).toMatchObject({ parent: snapshot });
    const results = value(await run.rpc.appendContext({ after: replied, messages: resultsOf(format) })).snapshot;
    value(await acquire("call_a", "L", { snapshot, messages: [replyOf(format)] }));
    expect((await run.view()).snapshot).toBe(results);
    expect(codeOf(await acquire("call_c", "N", { snapshot: "f".repeat(32) }))).toBe("unknown_snapshot");
  });

  it("takes the messages of a call without an id once: a poll by the id that it was given has nothing new", async () => {
    const run = await make();
    const holder = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const waiter = value(await run.rpc.openActor({ ttlMs: 60_000 })).id;
    const lock = { tool: "lock", arguments: '{"op":"acquire","name":"L"}', waitMs: 0 };
    value(await run.rpc.callTool({ ...lock, actor: holder }));
    await run.create({ key: "a", instructions: "a", pool: "box" });
    for (const call of [
      { ...lock, actor: waiter },
      { tool: "await_tasks", arguments: '{"tasks":["a"]}', waitMs: 0 },
    ]) {
      const asked = { ...call, messages: [replyOf(format)] };
      const told = value(await run.rpc.callTool(asked)) as { pending: true; call_id: string };
      expect(told).toMatchObject({ pending: true });
      const after = (await run.view()).snapshot;
      const results = value(await run.rpc.appendContext({ after, messages: resultsOf(format) })).snapshot;
      expect(value(await run.rpc.callTool({ ...asked, callId: told.call_id }))).toEqual(told);
      expect((await run.view()).snapshot).toBe(results);
    }
  });

  it("forks as told: full, none, a snapshot, the last turns", async () => {
    const run = await make();
    const { snapshot: first } = await run.view();
    const grown = [assistant("first part"), user("go on"), replyOf(format), ...resultsOf(format), assistant("done")];
    value(await run.rpc.appendContext({ after: first, messages: grown }));
    const whole = [...base, ...grown];
    const [full, none, earlier, one, two, many] = await run.create(
      { instructions: "full" },
      { instructions: "none", fork: "none" },
      { instructions: "snapshot", fork: { snapshot: first as SnapshotHash } },
      { instructions: "last 1", fork: { last: 1 } },
      { instructions: "last 2", fork: { last: 2 } },
      { instructions: "last 100", fork: { last: 100 } },
    );
    const before = async (task: string) => (await contextOf(run, task)).messages.slice(0, -1);
    expect(await before(full!)).toEqual(whole);
    expect(await before(none!)).toEqual([]);
    expect(await before(earlier!)).toEqual(base);
    expect(await before(many!)).toEqual(whole);
    // The first user message stays; a call is never parted from its result.
    const last1 = await before(one!);
    expect(last1[0]).toBe(base[0]);
    expect(whole.slice(-(last1.length - 1))).toEqual(last1.slice(1));
    const last2 = await before(two!);
    expect(last2.length).toBeGreaterThanOrEqual(last1.length);
    expect(last2.length).toBeLessThan(whole.length);
    for (const task of [full, none, earlier, one, two, many]) {
      expect((await contextOf(run, task!)).text).toContain('"system":"be brief"');
    }
    expect((await run.tasks()).map(({ fork }) => fork.mode)).toEqual([
      "full",
      "none",
      "snapshot",
      "last 1",
      "last 2",
      "last 100",
    ]);
    expect(
      codeOf(
        await run.rpc.createTasks({
          tasks: [{ instructions: "x", fork: { snapshot: "0".repeat(32) as SnapshotHash } }],
        }),
      ),
    ).toBe("unknown_snapshot");
  });

  it("puts context right before the instructions: text in their message, messages as messages", async () => {
    const run = await make();
    const extra = [user("more"), assistant("I see")];
    const [text, messages] = await run.create(
      { instructions: "do it", context: "the extra context" },
      { instructions: "do it", context: { messages: extra } },
    );
    const withText = (await contextOf(run, text!)).messages;
    expect(withText).toHaveLength(4);
    expect(withText[3]).toMatch(/the extra context.*instructions of.*do it/s);
    const withMessages = (await contextOf(run, messages!)).messages;
    expect(withMessages.slice(0, 5)).toEqual([...base, ...extra]);
    expect(withMessages).toHaveLength(6);
  });

  it("shows results of dependencies in the order of `after`, as data, and references in their place", async () => {
    const run = await make();
    await run.create(
      { key: "one", pool: "box", instructions: "1" },
      { key: "two", pool: "box", instructions: "2" },
      { key: "bad", pool: "box", instructions: "3" },
      { key: "sum", instructions: "add {{two.n}} please", after: ["two", "one"] },
      { key: "see", instructions: "look", after: ["bad"], on_dependency_failure: "run" },
      { key: "gone", instructions: "pick {{one.n}}" },
    );
    for (let i = 0; i < 3; i++) {
      const lease = (await run.lease())!;
      const input = { next: false, worker: "w" };
      if (lease.task.key === "one") {
        value(await run.rpc.complete(lease, { ...input, result: "</result>\n```sim\nfour" }));
      } else if (lease.task.key === "two") value(await run.rpc.complete(lease, { ...input, result: { n: 41 } }));
      else value(await run.rpc.fail(lease, { error: { code: "bad", message: "it broke" }, retryable: false }));
    }
    const sum = (await contextOf(run, "sum")).messages.at(-1)!;
    const { content } = JSON.parse(sum) as { content: string };
    expect(content).toContain('add <result of="two.n">41</result> please');
    expect(content.match(/<result of="/g)).toHaveLength(2);
    expect(content.match(/<\/result>/g)).toHaveLength(2);
    expect(content.indexOf('<result of="one"')).toBeLessThan(content.indexOf("instructions of", 200));
    expect((await contextOf(run, "see")).messages.at(-1)).toContain("it broke");
    // A path that the result does not have fails the task when it is to start.
    for (const nonce of ["s", "t", "u"]) await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce));
    expect(await run.task("gone")).toMatchObject({ state: "failed", error: { code: "reference_unresolved" } });
  });
});

it("A fork of none keeps the system text where the format has it among the messages", async () => {
  const head = [
    '{"role":"system","content":"be brief"}',
    '{"role":"developer", "content":"and kind"}',
  ] as MessageText[];
  const run = await makeRun({
    context: { format: "openai", messages: [...head, user("read this"), assistant("done")] },
  });
  const { snapshot } = await run.view();
  value(await run.rpc.appendContext({ after: snapshot, messages: [user("go on"), assistant("again")] }));
  const [first, second] = await run.create({ instructions: "a", fork: "none" }, { instructions: "b", fork: "none" });
  for (const task of [first!, second!]) {
    const { messages } = await contextOf(run, task);
    expect(messages.slice(0, -1)).toEqual(head);
    expect((await run.task(task)).fork.mode).toBe("none");
  }
  // Only what leads: a later one is a message like any other.
  const plain = await makeRun({ context: { format: "openai", messages: [user("hi"), ...head] } });
  const [bare] = await plain.create({ instructions: "a", fork: "none" });
  expect((await contextOf(plain, bare!)).messages).toHaveLength(1);
});

it("A text of sixteen thousand references starts: what they put in is bounded, and what is beyond is marked as cut", async () => {
  const run = await makeRun();
  await run.create(
    { key: "long", pool: "box", instructions: "1" },
    { key: "many", pool: "box", instructions: "{{long}}".repeat(16_000) },
  );
  const long = (await run.lease())!;
  value(await run.rpc.complete(long, { next: false, worker: "w", result: "y".repeat(32_000) }));
  const { task, contextText } = (await run.lease())!;
  const { instructions } = task;
  // It has these twice: the context, which does not fit a lease of a megabyte, is left to be fetched.
  expect(contextText).toBeNull();
  expect(instructions.match(/<result of="long">y{32000}<\/result>/g)).toHaveLength(
    Math.floor(referencedUnitsMax / '<result of="long"></result>'.concat("y".repeat(32_000)).length),
  );
  expect(instructions.match(/<result of="long"/g)).toHaveLength(16_000);
  expect(instructions.endsWith('<result of="long" truncated="true"></result>')).toBe(true);
});

it("A task joins a whole batch of long results: what they put in is bounded, and what is beyond is marked as cut", async () => {
  const run = await makeRun({ limits: { workers: 1000 } });
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  await run.create(...keys.map((key) => ({ key, pool: "box", instructions: "1" })), {
    key: "join",
    pool: "box",
    instructions: "2",
    after: keys,
  });
  const result = "y".repeat(32_000);
  for (const _ of keys) value(await run.rpc.complete((await run.lease())!, { next: false, worker: "w", result }));
  expect((await run.lease())!.task.key).toBe("join");
  const { text } = await contextOf(run, "join");
  const whole = Math.floor(dependencyUnitsMax / `<result of="k100">${result}</result>`.length);
  expect(text.match(/<result of=\\"k\d+\\">y{32000}<\/result>/g)).toHaveLength(whole);
  expect(text.match(/<result of=\\"k\d+\\" truncated=\\"true\\"><\/result>/g)).toHaveLength(keys.length - whole);
});

it("A reference in a message of `context` leaves the rest of the message byte for byte", async () => {
  const run = await makeRun();
  const message =
    '{"role":"user", "content":[{"type":"text","text":"see {{one}}","cut":1.0,"id":12345678901234567890}]}';
  await run.create(
    { key: "one", pool: "box", instructions: "1" },
    { key: "two", pool: "box", instructions: "2", context: { messages: [message as MessageText] }, after: ["one"] },
  );
  value(await run.rpc.complete((await run.lease())!, { next: false, worker: "w", result: 'a "b"' }));
  const { messages } = await contextOf(run, "two");
  expect(messages).toContain(message.replace("{{one}}", '<result of=\\"one\\">a \\"b\\"</result>'));
});

it("create_task tells of a priority that had to be lowered to the creator's, and of no other", async () => {
  const run = await makeRun();
  await run.create({ key: "t", pool: "box", instructions: "x", priority: 3 });
  const lease = (await run.lease())!;
  const specs = [{ priority: 9 }, {}, { priority: 2 }, { priority: 3 }].map((spec) => ({ ...spec, instructions: "y" }));
  const input = { tool: "create_task", arguments: JSON.stringify({ tasks: specs }), waitMs: 0 };
  const { tasks } = (value(await run.rpc.leaseTool(lease, input)) as { result: { tasks: { priority?: number }[] } })
    .result;
  expect(tasks.map(({ priority }) => priority)).toEqual([3, 3, undefined, undefined]);
  const made = await Promise.all(tasks.map((task) => run.task((task as { id: string }).id)));
  expect(made.map(({ priority }) => priority)).toEqual([3, 3, 2, 3]);
});

describe("a relocated fork", () => {
  const thought = JSON.stringify({
    role: "assistant",
    content: [
      { type: "thinking", thinking: "hm", signature: "c2ln" },
      { type: "text", text: "A" },
    ],
  });
  const context = { format: "anthropic" as const, model: "model-a", messages: [user("q"), thought] };

  it("is shown, and leased, as its model has it: under that model's name, without the other's reasoning", async () => {
    const run = await makeRun({ context });
    await run.create(
      { key: "other", pool: "box", model: "model-b", instructions: "x" },
      { key: "same", pool: "box", model: "model-a", instructions: "x" },
    );
    const [other, same] = [(await run.lease())!, (await run.lease())!];
    for (const text of [other.contextText!, (await contextOf(run, "other")).text]) {
      expect(JSON.parse(text)).toMatchObject({ model: "model-b", messages: [{}, { content: [{ text: "A" }] }, {}] });
      expect(text).not.toContain("thinking");
    }
    for (const text of [same.contextText!, (await contextOf(run, "same")).text]) {
      expect(JSON.parse(text)).toMatchObject({ model: "model-a" });
      expect(rawElements(rawAt(text, ["messages"])!)[1]).toBe(thought);
    }
  });
});

it("a relocated fork that is too large to travel with its lease is read by a snapshot that is as its model has it", async () => {
  const thinks = (text: string) =>
    JSON.stringify({
      role: "assistant",
      content: [
        { type: "thinking", thinking: "hm", signature: "c2ln" },
        { type: "text", text },
      ],
    });
  const context = {
    format: "anthropic" as const,
    model: "model-a",
    system: '"s"',
    messages: [user("q"), thinks("of a")],
  };
  const run = await makeRun({ context });
  const spec = { pool: "box", model: "model-b", instructions: "x" };
  await run.create({ ...spec, key: "one" }, { ...spec, key: "other" }, { ...spec, key: "same", model: "model-a" });
  const leased = async () => {
    const [grant] = value(await run.rpc.leases({ pool: "box", worker: "w", max: 1, contextBytes: 1 }));
    const { contextText, snapshot } = grant as LeaseGrant;
    expect(contextText).toBeNull();
    return { grant: grant as LeaseGrant, snapshot };
  };
  const read = async (snapshot: string) => value(await run.rpc.snapshot(snapshot)).contextText;
  const [one, other, same] = [await leased(), await leased(), await leased()];
  for (const [key, { snapshot }] of Object.entries({ one, other, same })) {
    expect(JSON.parse(await read(snapshot))).toEqual(JSON.parse((await contextOf(run, key)).text));
  }
  expect(await read(one.snapshot)).not.toContain("thinking");
  expect(await read(same.snapshot)).toContain("thinking");
  const parent = async ({ snapshot }: typeof one) => value(await run.rpc.snapshot(snapshot)).parent;
  expect(await parent(one)).toBe(await parent(other));
  // What it thinks itself stays, and a file of the run has all of it.
  value(await run.rpc.turn(one.grant, { messages: [thinks("of b")] }));
  value(await run.rpc.fail(one.grant, { error: { code: "worker_stopped", message: "" }, retryable: true }));
  const again = await leased();
  expect(again.grant.task.key).toBe("one");
  expect((await read(again.snapshot)).match(/"thinking":"hm"/g)).toHaveLength(1);
  const copy = await imported(run, await exported(run));
  expect(value(await copy.rpc.snapshot(again.snapshot)).contextText).toBe(await read(again.snapshot));
});

describe("forks of a context with a list of tools of its own", () => {
  const foreign = { name: "read", description: "reads", input_schema: { type: "object" } };
  const heddles = { name: "create_task", description: "", input_schema: { type: "object" } };
  const notesOf = async (tools: unknown, ...tasks: object[]) => {
    const context = { format: "anthropic" as const, messages: [user("q")] };
    const run = await makeRun({
      context: tools === undefined ? context : { ...context, tools: JSON.stringify(tools) },
    });
    const made = value(await run.rpc.createTasks({ tasks: tasks.map((one) => ({ instructions: "x", ...one })) }));
    return (made.notes ?? []).filter((note) => note.includes("only answer")).length;
  };

  it("can only answer where none of Heddle's is on it, and the reply says so, once", async () => {
    expect(await notesOf([foreign], {}, {})).toBe(1);
    expect(await notesOf([], {})).toBe(1);
    expect(await notesOf([foreign, heddles], {})).toBe(0);
    expect(await notesOf([{ type: "function", function: heddles }], {})).toBe(0);
    expect(await notesOf(undefined, {})).toBe(0);
    // A pull worker calls them by its lease.
    expect(await notesOf([foreign], { pool: "box" })).toBe(0);
  });
});

describe("a fork of a relocated fork", () => {
  const thinks = (text: string, ...more: object[]) =>
    JSON.stringify({
      role: "assistant",
      content: [{ type: "thinking", thinking: text, signature: "c2ln" }, { type: "text", text }, ...more],
    });
  const call = { type: "tool_use", id: "call_1", name: "create_task", input: {} };
  const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
  const context = { format: "anthropic" as const, model: "model-a", messages: [user("q"), thinks("of a")] };
  /** What the seat sends of what it was given. */
  const sent = ({ steps, fork, foreign = [] }: SeatWork) =>
    withoutReasoning("anthropic", [...steps.flatMap(({ messages }) => messages), ...fork], foreign);
  const thoughtsIn = (messages: readonly string[]) =>
    messages
      .join("")
      .match(/"thinking":"of \w"/g)
      ?.map((one) => one.at(-2)) ?? [];

  it("has its creator's prefix where it has its model, and elsewhere only what its own model thought", async () => {
    const run = await makeRun({ context });
    await run.create({ key: "root", model: "model-b", instructions: "x" });
    const root = (await run.seat("a"))!;
    const request = sent(root);
    expect(thoughtsIn(request)).toEqual([]);
    const reply = thinks("of b", call);
    const tasks = [
      { key: "same", model: "model-b" },
      { key: "back" },
      { key: "third", model: "model-c" },
      { key: "cut", model: "model-b", fork: { last: 1 } },
    ].map((one) => ({ ...one, instructions: "y" }));
    const answer = await run.rpc.seatTurn(
      root,
      {
        messages: [...root.fork, reply],
        ...{ usage, calls: [{ id: "call_1", name: "create_task", arguments: JSON.stringify({ tasks }) }] },
      },
      undefined,
    );
    const { answers } = answer as Extract<SeatReply, { kind: "go_on" }>;
    const notes = (JSON.parse((answers.call_1 as { text: string }).text) as { notes: string[] }).notes.filter((note) =>
      note.includes("relocated"),
    );
    expect(notes.map((note) => /model-\w/.exec(note)?.[0])).toEqual(["model-a", "model-c"]);
    await run.evict();
    const works = [(await run.seat("b"))!, (await run.seat("c"))!, (await run.seat("d"))!, (await run.seat("e"))!];
    const [same, back, third, cut] = works.map(sent);
    expect(same!.slice(0, request.length + 1)).toEqual([...request, reply]);
    expect(thoughtsIn(back!)).toEqual(["a"]);
    expect(back!.slice(0, 2)).toEqual(context.messages);
    expect(thoughtsIn(third!)).toEqual([]);
    expect(thoughtsIn(cut!)).toEqual([]);
    for (const messages of [same!, back!, third!, cut!])
      expect(
        checkMessages(
          "anthropic",
          messages.map((one) => JSON.parse(one) as unknown),
        ),
      ).toEqual([]);
    // Whoever asks is shown the same.
    expect((await contextOf(run, works[1]!.taskId)).messages).toEqual(back);
  });

  it("is relocated too where its creator, or itself, has its provider's model, which nobody named", async () => {
    const run = await makeRun({ context: { format: "anthropic", messages: [user("q"), thinks("of x")] } });
    await run.create({ key: "root", instructions: "x" });
    const root = (await run.seat("a"))!;
    expect(thoughtsIn(sent(root))).toEqual(["x"]);
    const creates = async (parent: SeatWork, thought: string, ...tasks: object[]) => {
      const calls = [{ id: "call_1", name: "create_task", arguments: JSON.stringify({ tasks }) }];
      const messages = [...parent.fork, thinks(thought, call)];
      const answer = await run.rpc.seatTurn(parent, { messages, usage, calls }, undefined);
      const { answers } = answer as Extract<SeatReply, { kind: "go_on" }>;
      const { notes = [] } = JSON.parse((answers.call_1 as { text: string }).text) as { notes?: string[] };
      return notes.filter((note) => note.includes("relocated")).map((note) => /model "(.*?)"/.exec(note)?.[1]);
    };
    const notes = await creates(
      root,
      "of s",
      { key: "named", instructions: "y", model: "model-b" },
      { key: "same", instructions: "y" },
    );
    expect(notes).toEqual(["model-b"]);
    const [named, same] = [(await run.seat("b"))!, (await run.seat("c"))!];
    expect(thoughtsIn(sent(named))).toEqual(["x"]);
    expect(thoughtsIn(sent(same))).toEqual(["x", "s"]);
    expect(await creates(named, "of b", { key: "back", instructions: "z" })).toEqual(["simulated"]);
    expect(thoughtsIn(sent((await run.seat("d"))!))).toEqual(["x", "s"]);
  });

  it("begins another run without the reasoning of its own model, since that run has the context's", async () => {
    const run = await makeRun({ context });
    await run.create({ key: "t", model: "model-b", instructions: "x" }, { key: "plain", instructions: "x" });
    for (const [thought, nonce] of [
      ["of b", "a"],
      ["of a", "b"],
    ] as const) {
      const seat = (await run.seat(nonce))!;
      const messages = [...seat.fork, thinks(thought)];
      await run.rpc.seatTurn(
        seat,
        { messages, usage, calls: [], ending: { kind: "result", result: 1 }, isFinal: true },
        undefined,
      );
    }
    for (const turn of [undefined, 1]) {
      const place = turn === undefined ? {} : { turn };
      const other = value(await run.rpc.contextAt({ task: "t", ...place }));
      expect(thoughtsIn(other.steps.flat())).toEqual(["a"]);
      expect(other).toMatchObject({ head: { model: "model-a" }, relocated: true });
      const plain = value(await run.rpc.contextAt({ task: "plain", ...place }));
      expect(thoughtsIn(plain.steps.flat())).toEqual(["a", "a"]);
      expect(plain.relocated).toBeUndefined();
    }
    const before = value(await run.rpc.contextAt({ task: "t", turn: 0 }));
    expect(thoughtsIn(before.steps.flat())).toEqual(["a"]);
  });

  it("knows the model of a task that names none, in a context that names none, by its provider", async () => {
    const run = await makeRun({ context: { format: "anthropic", messages: context.messages } });
    await run.create({ key: "root", instructions: "x" });
    const root = (await run.seat("a"))!;
    const reply = thinks("of b", call);
    const tasks = [{ key: "same" }, { key: "other", model: "model-c" }].map((one) => ({ ...one, instructions: "y" }));
    const answer = await run.rpc.seatTurn(
      root,
      {
        messages: [...root.fork, reply],
        ...{ usage, calls: [{ id: "call_1", name: "create_task", arguments: JSON.stringify({ tasks }) }] },
      },
      undefined,
    );
    const { answers } = answer as Extract<SeatReply, { kind: "go_on" }>;
    expect((answers.call_1 as { text: string }).text).toContain('\\"model-c\\" is a relocated fork');
    const works = [(await run.seat("b"))!, (await run.seat("c"))!];
    // Of what came from outside nobody has said whose it is.
    expect(works.map((work) => thoughtsIn(sent(work)))).toEqual([["a", "b"], ["a"]]);
  });
});

it("a key names who it named when the task was created, also beside another task of that key in `after`", async () => {
  const run = await makeRun();
  const [posted] = await run.create({ key: "data", pool: "box", instructions: "x" });
  await run.create({ key: "root", pool: "box", instructions: "x" });
  const [one, root] = [(await run.lease())!, (await run.lease())!];
  value(await run.rpc.complete(one, { result: "the posted one's", next: false, worker: "w" }));
  const tasks = [
    { key: "data", instructions: "x" },
    { key: "reads", after: [posted], instructions: "{{data}}" },
  ];
  const input = { tool: "create_task", arguments: JSON.stringify({ tasks }), waitMs: 0 };
  value(await run.rpc.leaseTool(root, input));
  const data = (await run.lease())!;
  value(await run.rpc.complete(data, { result: "its sibling's", next: false, worker: "w" }));
  const { contextText } = (await run.lease())!;
  const last = JSON.parse(rawElements(rawAt(contextText!, ["messages"])!).at(-1)!) as { content: string };
  expect(findForkText(last.content)?.instructions).toBe('<result of="data">its sibling\'s</result>');
  expect(last.content).toContain('<result of="data">the posted one\'s</result>');
});

it.each(["before", "after"])(
  "what a worker reports %s a dependency has another result follows what it was given [R4]",
  async (when) => {
    const run = await makeRun();
    const { snapshot } = await run.view();
    await run.create({ key: "dep", pool: "box", instructions: "x" });
    const dep = (await run.lease())!;
    value(await run.rpc.complete(dep, { result: "old", next: false, worker: "w" }));
    await created(
      callTool(run, "call_a", snapshot, [replyOf("anthropic")], {
        tasks: [{ key: "t", pool: "box", after: ["dep"], instructions: "{{dep}}" }],
      }),
    );
    const lease = (await run.lease())!;
    const given = rawElements(rawAt(lease.contextText!, ["messages"])!);
    expect(given.at(-1)).toContain("old");
    value(await run.rpc.retryTask("dep", undefined));
    if (when === "after")
      value(await run.rpc.complete((await run.lease())!, { result: "new", next: false, worker: "w" }));
    await run.evict();
    const child = { tool: "create_task", arguments: '{"key":"child","instructions":"y"}', waitMs: 0 };
    value(await run.rpc.leaseTool(lease, child));
    value(await run.rpc.turn(lease, { messages: [assistant("done so far")] }));
    expect((await contextOf(run, "t")).messages).toEqual([...given, assistant("done so far")]);
    const [childTask] = (await run.tasks()).filter(({ key }) => key === "child");
    expect((await contextOf(run, childTask!.id)).messages.slice(0, given.length)).toEqual(given);
  },
);
