/** Messages to tasks: where hosted seats and pull workers get them, through evictions, repeats and attempts that are over. */

import { describe, expect, it } from "vitest";
import { openCalls } from "../../src/context/calls.ts";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { Format } from "../../src/context/types.ts";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import type { SeatTurn, SeatWork } from "../../src/objects/seat-rpc.ts";
import { codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const formats = ["anthropic", "openai"] as const;
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const user = (text: string) => JSON.stringify({ role: "user", content: text });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });
const asks = (format: Format, id: string, name = "inspect", args = {}) =>
  format === "anthropic"
    ? JSON.stringify({ role: "assistant", content: [{ type: "tool_use", id, name, input: args }] })
    : JSON.stringify({
        role: "assistant",
        content: null,
        tool_calls: [{ id, type: "function", function: { name, arguments: JSON.stringify(args) } }],
      });
const answers = (format: Format, id: string, text = "ok") =>
  format === "anthropic"
    ? JSON.stringify({ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: text }] })
    : JSON.stringify({ role: "tool", tool_call_id: id, content: text });

const send = async (run: TestRun, task: string, text: string) =>
  value(await run.rpc.sendMessage(task, JSON.stringify(text))).seq;
const openSeat = async (run: TestRun, nonce: string): Promise<SeatWork> =>
  (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
const turnOf = (messages: string[], shown: number, more: Partial<SeatTurn> = {}): SeatTurn => ({
  messages,
  shown,
  usage,
  calls: [],
  ...more,
});
const final = (text: string): Partial<SeatTurn> => ({ ending: { kind: "result", result: text }, isFinal: true });

async function transcript(run: TestRun, task: string): Promise<string[]> {
  const { contextText } = value(await run.rpc.taskContext(task));
  const { format, messages } = JSON.parse(contextText) as { format: Format; messages: unknown[] };
  // A last reply whose calls are open was no part of a request yet.
  const open = openCalls(format, [JSON.stringify(messages.at(-1))]).length > 0;
  expect(checkMessages(format, open ? messages.slice(0, -1) : messages)).toEqual([]);
  return rawElements(rawAt(contextText, ["messages"])!);
}

describe.each(formats)("in the %s format", (format) => {
  const make = () => makeRun({ context: { format, messages: [user("the project")] }, limits: { pools: ["box"] } });

  it("a hosted task gets what came before it began, then what came meanwhile; each once, in order", async () => {
    const run = await make();
    const [task] = await run.create({ instructions: "do it" });
    const first = await send(run, task!, "one");
    const second = await send(run, task!, "two");
    await run.evict();
    const work = await openSeat(run, "a");
    expect(work.messages).toEqual([user("one"), user("two")]);
    expect(await run.task(task!)).toMatchObject({ pending_messages: 2 });
    const third = await send(run, task!, "three");
    const calls = [{ id: "c1", name: "inspect", arguments: "{}" }];
    const reply = await run.rpc.seatTurn(
      work,
      turnOf([...work.fork, ...work.messages, asks(format, "c1")], 2, { calls }),
      undefined,
    );
    expect(reply).toMatchObject({ kind: "go_on", messages: [user("three")] });
    await run.evict();
    // The seat dies. Another goes on: with what no turn shows.
    value(await run.rpc.fail(work, { error: { code: "x", message: "" }, retryable: true }));
    const events = await run.events();
    expect(events.filter(({ type }) => type === "turn").map(({ messages }) => messages)).toEqual([[first, second]]);
    expect(await run.task(task!)).toMatchObject({ pending_messages: 1, state: "waiting" });
    expect(events.find(({ seq }) => seq === third)).toMatchObject({ type: "message_received", task });
    expect((await transcript(run, task!)).slice(0, -1).slice(-2)).toEqual([user("one"), user("two")]);
  });

  it("a final answer that crosses a message takes another turn; one by finish is told why", async () => {
    const run = await make();
    const [plain, finishing] = await run.create({ instructions: "a" }, { instructions: "b" });
    const a = await openSeat(run, "a");
    const b = await openSeat(run, "b");
    await send(run, plain!, "wait");
    await send(run, finishing!, "wait");
    const crossed = await run.rpc.seatTurn(a, turnOf([...a.fork, says("done")], 0, final("done")), undefined);
    expect(crossed).toMatchObject({ kind: "go_on", messages: [user("wait")] });
    expect((await run.task(plain!)).state).toBe("running");
    value(await run.rpc.renew(a));
    const over = await run.rpc.seatTurn(a, turnOf([user("wait"), says("done now")], 1, final("done now")), undefined);
    expect(over).toEqual({ kind: "over" });
    expect(await run.task(plain!)).toMatchObject({ state: "succeeded", result: "done now", pending_messages: 0 });
    expect((await transcript(run, plain!)).slice(-3)).toEqual([says("done"), user("wait"), says("done now")]);

    const reply = asks(format, "f1", "finish", { result: 1 });
    const turn = turnOf([...b.fork, reply], 0, { ending: { kind: "result", result: 1 }, isFinal: true });
    expect(await run.rpc.seatTurn(b, turn, undefined)).toMatchObject({ kind: "go_on", messages: [user("wait")] });
    const call = { id: "f1", name: "finish", arguments: '{"result":1}' };
    const told = await run.rpc.seatCalls(b, [call]);
    expect(told).toMatchObject({ kind: "go_on", messages: [user("wait")] });
    const answer = told.kind === "go_on" ? told.answers.f1 : undefined;
    expect(answer).toMatchObject({ isError: true, text: expect.stringContaining("new_messages") });
    // Whoever resumes it reads the same answer.
    await run.rpc.leaveSeat(b, { kind: "give_back" }, undefined);
    await run.evict();
    expect(await openSeat(run, "c")).toMatchObject({ answers: { f1: answer }, messages: [user("wait")] });
  });

  it("without a turn left, and when the reply fails it, it ends and names what was not read", async () => {
    const run = await make();
    const [last, refused] = await run.create({ instructions: "a", max_turns: 1 }, { instructions: "b" });
    const a = await openSeat(run, "a");
    const b = await openSeat(run, "b");
    const seqs = [await send(run, last!, "late"), await send(run, refused!, "late")];
    expect(await run.rpc.seatTurn(a, turnOf([...a.fork, says("done")], 0, final("done")), undefined)).toEqual({
      kind: "over",
    });
    const ending = { kind: "error", fault: "refusal", error: { code: "refusal", message: "no" } } as const;
    await run.rpc.seatTurn(b, turnOf([...b.fork, says("no")], 0, { ending }), undefined);
    const ends = (await run.events()).filter(({ type }) => type === "task_ended");
    expect(ends.map(({ state, unread }) => [state, unread])).toEqual([
      ["succeeded", [seqs[0]]],
      ["failed", [seqs[1]]],
    ]);
    expect(codeOf(await run.rpc.sendMessage(last!, '"more"'))).toBe("task_ended");
  });

  it("what a pull worker logs is read for slips: a result of no call is refused with its place, and nothing is stored", async () => {
    const run = await make();
    const [task] = await run.create({ instructions: "do it", pool: "box" });
    const lease = (await run.lease())!;
    value(await run.rpc.turn(lease, { messages: [asks(format, "c1")] }));
    const before = await transcript(run, task!);
    const at = format === "anthropic" ? "messages[1].content[0].tool_use_id" : "messages[1].tool_call_id";
    const refusal = { ok: false, fault: { code: "validation_failed", errors: [{ path: at }] } };
    const stray = [answers(format, "c1"), answers(format, "c9")];
    expect(await run.rpc.turn(lease, { messages: stray })).toMatchObject(refusal);
    const call = { tool: "atomic", arguments: '{"op":"get","name":"n"}', callId: "c2", waitMs: 0 } as const;
    expect(await run.rpc.leaseTool(lease, { ...call, messages: stray })).toMatchObject(refusal);
    expect(await transcript(run, task!)).toEqual(before);
    expect((await run.task(task!)).turns).toBe(1);
    // With a message that came meanwhile, which stands between what the worker sends.
    await send(run, task!, "hurry");
    value(await run.rpc.renew(lease));
    value(await run.rpc.turn(lease, { messages: [answers(format, "c1"), asks(format, "c2")] }));
    value(await run.rpc.turn(lease, { messages: [answers(format, "c2"), says("done")] }));
  });

  it("a pull worker gets them with its lease and its turns; its transcript has them after the results", async () => {
    const run = await make();
    const [task] = await run.create({ instructions: "pull", pool: "box" });
    await send(run, task!, "zero");
    const lease = (await run.lease())!;
    expect(lease.messages).toEqual([user("zero")]);
    expect((value(await run.rpc.leaseAgain(lease)) as LeaseGrant).messages).toEqual([user("zero")]);
    await send(run, task!, "one");
    await run.evict();
    expect(value(await run.rpc.renew(lease))).toMatchObject({ messages: 1 });
    const idem = { key: "turn 1", fingerprint: "1" };
    const input = { messages: [asks(format, "c1")] };
    const answer = value(await run.rpc.turn(lease, input, idem));
    expect(answer.messages).toEqual([user("one")]);
    // A repeat is the first answer again; nothing is new by it.
    expect(value(await run.rpc.turn(lease, input, idem))).toEqual(answer);
    expect(value(await run.rpc.renew(lease))).not.toHaveProperty("messages");
    await send(run, task!, "two");
    // The call is still open: what was given is kept for later, and not given again.
    expect(value(await run.rpc.turn(lease, { messages: [] })).messages).toEqual([user("two")]);
    await run.evict();
    const rest = value(await run.rpc.turn(lease, { messages: [answers(format, "c1"), says("I see")] }));
    expect(rest).not.toHaveProperty("messages");
    expect((await transcript(run, task!)).slice(-6)).toEqual([
      user("zero"),
      asks(format, "c1"),
      answers(format, "c1"),
      user("one"),
      user("two"),
      says("I see"),
    ]);
    const unseen = await send(run, task!, "three");
    value(await run.rpc.complete(lease, { result: 1, next: false, worker: "w" }));
    const end = (await run.events()).find(({ type }) => type === "task_ended");
    expect(end).toMatchObject({ state: "succeeded", unread: [unseen] });
  });

  it("a retry begins without the messages of the old generation", async () => {
    const run = await make();
    const [task] = await run.create({ instructions: "pull", pool: "box" });
    await send(run, task!, "old");
    value(await run.rpc.cancelTask(task!, undefined));
    value(await run.rpc.retryTask(task!, undefined));
    expect(await run.task(task!)).toMatchObject({ pending_messages: 0, generation: 2 });
    await send(run, task!, "new");
    expect((await run.lease())!.messages).toEqual([user("new")]);
  });

  it("refuses what the vendor would refuse, and what does not fit; blocks stay as they were sent", async () => {
    const run = await make();
    const [task] = await run.create({ instructions: "pull", pool: "box" });
    for (const content of ['[{"type":"tool_result","tool_use_id":"x","content":"r"}]', '[{"type":"nonsense"}]', "[]"]) {
      expect(codeOf(await run.rpc.sendMessage(task!, content))).toBe("validation_failed");
    }
    expect(await run.rpc.sendMessage(task!, '[{"type":"text","text":"a"},{"type":"nonsense"}]')).toMatchObject({
      fault: { errors: [{ path: "content[1]" }] },
    });
    expect(codeOf(await run.rpc.sendMessage("nobody", '"hi"'))).toBe("not_found");
    const blocks = '[ {"type": "text", "text": "caf\\u00e9"} ]';
    value(await run.rpc.sendMessage(task!, blocks));
    const idem = { key: "once", fingerprint: "1" };
    const seq = value(await run.rpc.sendMessage(task!, '"again"', idem));
    expect(value(await run.rpc.sendMessage(task!, '"again"', idem))).toEqual(seq);
    const lease = (await run.lease())!;
    expect(lease.messages).toEqual([`{"role":"user","content":${blocks}}`, user("again")]);
    const large = JSON.stringify("x".repeat(1024 * 1024 - 10));
    value(await run.rpc.sendMessage(task!, large));
    expect(codeOf(await run.rpc.sendMessage(task!, large))).toBe("too_many_messages");
  });
});
