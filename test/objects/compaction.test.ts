/** What the run does with a context that the provider refused as too long. */

import { describe, expect, it } from "vitest";
import { findNote } from "../../src/context/compaction.ts";
import { rawAt, rawElements, stringAt } from "../../src/context/json-text.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { Format } from "../../src/context/types.ts";
import type { Leave, SeatWork } from "../../src/objects/seat-rpc.ts";
import { makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const user = (text: string) => JSON.stringify({ role: "user", content: text });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });
const tooLong: Leave = { kind: "too_long", error: { code: "context_too_long", message: "400 too long." } };
const openSeat = async (run: TestRun, nonce: string): Promise<SeatWork> =>
  (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
const messagesOf = ({ steps }: SeatWork) => steps.flatMap(({ messages }) => messages);

async function context(run: TestRun, format: Format): Promise<string[]> {
  const { contextText } = value(await run.rpc.taskContext("t"));
  const messages = rawElements(rawAt(contextText, ["messages"])!);
  expect(
    checkMessages(
      format,
      messages.map((one) => JSON.parse(one) as unknown),
    ),
  ).toEqual([]);
  return messages;
}

describe.each(["anthropic", "openai"] as const)("in the %s format", (format) => {
  const base = [user("first"), says("1"), user("second"), says("2"), user("third"), says("3")];
  const make = () => makeRun({ context: { format, model: "m", messages: base } });

  it("cuts the base of a task that has not begun, and again when the next seat is refused too", async () => {
    const run = await make();
    await run.create({ key: "t", instructions: "do it", on_context_too_long: { last: 4 } });
    const a = await openSeat(run, "a");
    value(await run.rpc.sendMessage("t", '"hear me"'));
    expect(await run.rpc.leaveSeat(a, tooLong, undefined)).toEqual({ kind: "over" });
    await run.evict();
    const b = await openSeat(run, "b");
    expect(b).toMatchObject({ fork: [], turns: 0, messages: [user("hear me")], mark: undefined });
    const [first, note, ...rest] = messagesOf(b);
    expect(first).toBe(base[0]);
    expect(findNote(stringAt(note!, ["content"])!)).toEqual({ dropped: 1, replies: 0 });
    expect(rest).toEqual([...base.slice(2), a.fork[0]]);
    expect(b.baseCount).toBe(6);
    expect(await context(run, format)).toEqual(messagesOf(b));

    await run.rpc.leaveSeat(b, tooLong, undefined);
    const c = await openSeat(run, "c");
    expect(messagesOf(c).slice(2)).toEqual([...base.slice(4), a.fork[0]]);
    await run.evict();
    const reply = await run.rpc.seatTurn(
      c,
      { messages: [user("hear me"), says("done")], shown: 1, usage, calls: [] },
      undefined,
    );
    expect(reply).toMatchObject({ kind: "go_on", messages: [] });
    await run.rpc.leaveSeat(c, tooLong, undefined);
    const d = await openSeat(run, "d");
    // Its own turn is the newest now: of the base there is nothing left but the first message.
    expect(messagesOf(d)).toHaveLength(5);
    expect(messagesOf(d).slice(2)).toEqual([a.fork[0], user("hear me"), says("done")]);
    expect(await run.rpc.leaveSeat(d, tooLong, undefined)).toEqual({ kind: "over" });
    const { state, error } = await run.task("t");
    expect([state, error?.code]).toEqual(["failed", "context_too_long"]);
    expect(error?.message).toContain("newest turn alone");
    const cuts = (await run.events()).filter(({ type }) => type === "context_compacted");
    expect(cuts.map(({ last, dropped }) => [last, dropped])).toEqual([
      [2, 1],
      [1, 2],
      [1, 2],
    ]);
    expect(cuts[1]!.from).toBe(cuts[0]!.to);
    // A new generation has all of it again.
    value(await run.rpc.retryTask("t", undefined));
    expect((await context(run, format)).slice(0, base.length)).toEqual(base);
  });

  it("cuts one that has begun as it is, and knows where it forked, while what it depended on runs again", async () => {
    const run = await make();
    await run.create(
      { key: "dep", pool: "box", instructions: "x" },
      { key: "t", after: ["dep"], instructions: "{{dep}}", on_context_too_long: { last: 1 } },
    );
    value(await run.rpc.complete((await run.lease())!, { result: "r", next: false, worker: "w" }));
    const a = await openSeat(run, "a");
    const turn = { messages: [...a.fork, says("more")], usage, calls: [] };
    expect(await run.rpc.seatTurn(a, turn, undefined)).toMatchObject({ kind: "go_on" });
    value(await run.rpc.retryTask("dep", undefined));
    await run.rpc.leaveSeat(a, { kind: "give_back" }, undefined);
    const b = await openSeat(run, "b");
    expect(b).toMatchObject({ fork: [], mark: a.mark });
    await run.rpc.leaveSeat(b, tooLong, undefined);
    expect(await run.task("t")).toMatchObject({ state: "ready", error: null });
    expect(messagesOf(await openSeat(run, "c")).slice(2)).toEqual([...a.fork, says("more")]);
  });

  it("counts what a reply has cost that the window cut off, whatever becomes of the task", async () => {
    const run = await make();
    await run.create({ key: "t", instructions: "do it", on_context_too_long: { last: 1 } });
    const cutOff: Leave = { ...tooLong, usage };
    await run.rpc.leaveSeat(await openSeat(run, "a"), cutOff, undefined);
    expect(await run.task("t")).toMatchObject({ state: "ready", usage });
    await run.evict();
    await run.rpc.leaveSeat(await openSeat(run, "b"), cutOff, undefined);
    expect(await run.task("t")).toMatchObject({ state: "failed", turns: 0, usage: { input_tokens: 2 } });
    expect((await run.view()).usage.tokens).toBe(4);
  });

  it("fails a task that was not told to go on", async () => {
    const run = await make();
    await run.create({ key: "t", instructions: "do it" }, { key: "u", instructions: "x", on_context_too_long: "fail" });
    for (const [nonce, name] of [
      ["a", "t"],
      ["b", "u"],
    ] as const) {
      await run.rpc.leaveSeat(await openSeat(run, nonce), tooLong, undefined);
      const { error } = await run.task(name);
      expect(error).toMatchObject({
        code: "context_too_long",
        message: expect.stringContaining("on_context_too_long"),
      });
    }
  });
});
