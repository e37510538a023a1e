/** A retry from a turn through the run's object: contexts byte for byte, attempts of older generations, pull workers, cuts. */

import { describe, expect, it } from "vitest";
import { noText } from "../../src/context/calls.ts";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import type { SeatTurn, SeatWork } from "../../src/objects/seat-rpc.ts";
import { codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const user = (text: string) => JSON.stringify({ role: "user", content: text });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });
const asks = (id: string, name = "inspect", input = {}) =>
  JSON.stringify({ role: "assistant", content: [{ type: "tool_use", id, name, input }] });
const answer = (id: string) =>
  JSON.stringify({ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "ok" }] });
const turn = (messages: string[], ...calls: string[]): SeatTurn => ({
  messages,
  usage,
  calls: calls.map((id) => ({ id, name: "inspect", arguments: "{}" })),
});
const openSeat = async (run: TestRun, nonce: string): Promise<SeatWork> =>
  (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
const sent = ({ steps }: SeatWork) => steps.flatMap(({ messages }) => messages);
const messagesOf = async (run: TestRun, task: string) =>
  rawElements(rawAt(value(await run.rpc.taskContext(task)).contextText, ["messages"])!);
const refused = { kind: "error", fault: "refusal", error: { code: "refusal", message: "" } } as const;
const fails = { kind: "end", ending: refused } as const;

describe("a retry from a turn", () => {
  it("[R6] gives the next seat what the request of the turn after it had; attempts of the old generation write nothing", async () => {
    const run = await makeRun();
    await run.create({ key: "t", instructions: "do it" });
    const old = await openSeat(run, "a");
    await run.rpc.seatTurn(old, turn([...old.fork, asks("1")], "1"), undefined);
    await run.rpc.seatTurn(old, turn([answer("1"), asks("2")], "2"), undefined);
    await run.rpc.seatTurn(old, turn([answer("2"), asks("3")], "3"), undefined);
    value(await run.rpc.cancelTask("t", undefined));
    const whole = await messagesOf(run, "t");
    await run.evict();
    value(await run.rpc.retryTask("t", 2));
    await run.evict();
    expect(await run.rpc.seatTurn(old, turn([answer("3"), says("late")]), undefined)).toEqual({ kind: "over" });
    expect(await run.rpc.seatCalls(old, [{ id: "3", name: "inspect", arguments: "{}" }])).toEqual({ kind: "over" });
    expect(await run.rpc.renewSeat(old)).toMatchObject({ held: false });
    const b = await openSeat(run, "b");
    expect(b).toMatchObject({ turns: 2, generation: 2, fork: [], answers: {} });
    expect(sent(b)).toEqual(whole.slice(0, -1));
    expect(await run.task("t")).toMatchObject({ state: "running", turns: 2, attempts: 2 });
    // After the last one: with the answers that it had, and those alone.
    await run.rpc.seatTurn(b, { ...turn([asks("4")]), calls: [] }, undefined);
    await run.rpc.seatCalls(b, [{ id: "4", name: "inspect", arguments: "{}" }]);
    await run.rpc.leaveSeat(b, fails, undefined);
    value(await run.rpc.retryTask("t", 3));
    const c = await openSeat(run, "c");
    expect(Object.keys(c.answers)).toEqual(["4"]);
    expect(sent(c)).toEqual([...whole.slice(0, -1), asks("4")]);
    expect((await run.events()).filter(({ type }) => type === "late_refused")).toHaveLength(2);
    const { rows } = value(await run.rpc.turns("t", { limit: 100 }));
    expect(rows.map((one) => [one.turn, one.generation, one.calls[0]?.id])).toEqual([
      [1, 1, "1"],
      [2, 1, "2"],
      [3, 2, "4"],
    ]);
  });

  it.each([
    ["that the vendor paused", { type: "server_tool_use", id: "s", name: "web_search", input: {} }],
    ["that says nothing", { type: "text", text: noText }],
  ])("[R6] goes on after a reply %s: it is not the last word", async (_, block) => {
    const run = await makeRun();
    await run.create({ key: "t", instructions: "do it", max_turns: 1 });
    const a = await openSeat(run, "a");
    const reply = JSON.stringify({ role: "assistant", content: [block] });
    await run.rpc.seatTurn(a, turn([...a.fork, reply]), undefined);
    await run.rpc.leaveSeat(a, fails, undefined);
    value(await run.rpc.retryTask("t", 1));
    expect(sent(await openSeat(run, "b")).at(-1)).toBe(reply);
  });

  it("[R6] takes locks again that the last turn's calls took, and makes no true answer anew", async () => {
    const run = await makeRun();
    await run.create({ key: "t", instructions: "do it" });
    const a = await openSeat(run, "a");
    const ops = [
      { id: "1", name: "inspect", arguments: "{}" },
      { id: "2", name: "lock", arguments: '{"op":"acquire","name":"l"}' },
    ];
    const reply = JSON.stringify({
      role: "assistant",
      content: ops.map(({ id, name, arguments: text }) => ({ type: "tool_use", id, name, input: JSON.parse(text) })),
    });
    const logged = await run.rpc.seatTurn(a, { messages: [...a.fork, reply], usage, calls: ops }, undefined);
    expect(logged).toMatchObject({ answers: { 2: { text: '{"token":1}' } } });
    await run.rpc.leaveSeat(a, fails, undefined);
    const holders = async () => value(await run.rpc.variable("l")).holders;
    expect(await holders()).toEqual([]);
    value(await run.rpc.retryTask("t", 1));
    const b = await openSeat(run, "b");
    expect(Object.keys(b.answers)).toEqual(["1"]);
    const again = await run.rpc.seatCalls(b, ops.slice(1));
    expect(again).toMatchObject({ answers: { 2: { text: '{"token":2}' } } });
    expect(await holders()).toMatchObject([{ token: 2 }]);
  });

  it("[R6] leaves out what came after a turn of a pull worker, and refuses its old lease", async () => {
    const run = await makeRun();
    await run.create({ key: "t", pool: "box", instructions: "do it" });
    const lease = (await run.lease())!;
    for (const text of ["one", "two"]) value(await run.rpc.turn(lease, { messages: [says(text), user(`${text}?`)] }));
    const before = value(await run.rpc.turns("t", { limit: 1 })).rows[0]!.snapshot;
    value(await run.rpc.fail(lease, { error: { code: "x", message: "" }, retryable: false }));
    expect(codeOf(await run.rpc.retryTask("t", 3))).toBe("unknown_turn");
    value(await run.rpc.retryTask("t", 1));
    expect(codeOf(await run.rpc.complete(lease, { result: 1, next: false, worker: "w" }))).toBe("lease_lost");
    const again = (await run.lease())!;
    expect(again.snapshot).toBe(before);
    expect(rawElements(rawAt(again.contextText!, ["messages"])!).slice(-2)).toEqual([says("one"), user("one?")]);
    value(await run.rpc.complete(again, { result: "done", next: false, worker: "w" }));
    // What a pull worker's last turn means is its own affair: there may be more to do after it.
    value(await run.rpc.retryTask("t", 1));
    expect(await run.task("t")).toMatchObject({ state: "ready", turns: 1, generation: 3 });
  });

  it("[R6] [X1] before a cut goes on with the whole context, after it with the shorter one", async () => {
    const run = await makeRun();
    await run.create({ key: "t", instructions: "do it", on_context_too_long: { last: 1 } });
    const a = await openSeat(run, "a");
    await run.rpc.seatTurn(a, turn([...a.fork, asks("1")], "1"), undefined);
    await run.rpc.seatTurn(a, turn([answer("1"), asks("2")], "2"), undefined);
    const whole = await messagesOf(run, "t");
    await run.rpc.leaveSeat(a, { kind: "too_long", error: { code: "context_too_long", message: "" } }, undefined);
    const b = await openSeat(run, "b");
    const cut = sent(b);
    expect(cut.length).toBeLessThan(whole.length);
    await run.rpc.seatTurn(b, turn([answer("2"), asks("3")], "3"), undefined);
    await run.rpc.leaveSeat(b, fails, undefined);
    value(await run.rpc.retryTask("t", 2));
    const c = await openSeat(run, "c");
    expect([sent(c), c.mark]).toEqual([[...cut, answer("2")], undefined]);
    await run.rpc.leaveSeat(c, fails, undefined);
    await run.evict();
    value(await run.rpc.retryTask("t", 1));
    const d = await openSeat(run, "d");
    expect(sent(d)).toEqual(whole.slice(0, -1));
    expect(d.mark).toBeDefined();
  });
});
