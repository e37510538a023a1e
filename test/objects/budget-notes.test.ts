/** What is left of a budget, as a seat and a transcript have it: behind results, once, through evictions and attempts that are lost. */

import { expect, it } from "vitest";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { SeatTurn, SeatWork } from "../../src/objects/seat-rpc.ts";
import { copyOf, exported, imported, resealed, send } from "./lib/files.ts";
import { codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const user = (text: string) => JSON.stringify({ role: "user", content: text });
const asks = (id: string) =>
  JSON.stringify({ role: "assistant", content: [{ type: "tool_use", id, name: "inspect", input: {} }] });
const answers = (id: string) =>
  JSON.stringify({ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "ok" }] });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });

const openSeat = async (run: TestRun, nonce: string): Promise<SeatWork> =>
  (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
const turnOf = (messages: readonly string[], used: number, shown: number, more: Partial<SeatTurn> = {}): SeatTurn => ({
  ...{ messages, shown, calls: [] },
  usage: { input_tokens: used, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 },
  ...more,
});

it("comes with the answer to the turn that passed the threshold, and once more to another seat if it was not shown", async () => {
  const run = await makeRun({
    context: { format: "anthropic", messages: [user("the project")] },
    limits: { tokens: 10_000 },
  });
  const [task] = await run.create({ instructions: "do it" });
  const work = await openSeat(run, "a");
  expect(work.messages).toEqual([]);
  const calls = [{ id: "c1", name: "inspect", arguments: "{}" }];
  const reply = await run.rpc.seatTurn(work, turnOf([...work.fork, asks("c1")], 8500, 0, { calls }), undefined);
  const note = user(
    "[Heddle] 1,500 of the run's 10,000 tokens are left (15 %), for all of its tasks. Then the run pauses until somebody raises its budget. Wrap up: do what matters most, begin nothing large, and keep enough to hand in your result.",
  );
  expect(reply).toMatchObject({ kind: "go_on", messages: [note] });
  expect(await run.task(task!)).toMatchObject({ pending_messages: 0 });
  await run.evict();
  await run.rpc.leaveSeat(work, { kind: "give_back" }, undefined);
  await run.evict();
  const again = await openSeat(run, "b");
  expect(again.messages).toEqual([note]);
  const end: Partial<SeatTurn> = { ending: { kind: "result", result: "done" }, isFinal: true };
  await run.rpc.seatTurn(again, turnOf([answers("c1"), note, says("done")], 1100, 1, end), undefined);
  // It passed the next threshold with its last turn: nobody is left to be told.
  expect(await run.task(task!)).toMatchObject({ state: "succeeded", result: "done" });
  const events = await run.events();
  expect(events.filter(({ type }) => type === "budget_noted")).toMatchObject([
    { task, notes: [{ of: "tokens", percent: 80, limit: 10_000 }] },
  ]);
  const { contextText } = value(await run.rpc.taskContext(task!));
  const messages = rawElements(rawAt(contextText, ["messages"])!);
  expect(messages.filter((text) => text === note).length).toBe(1);
  expect(checkMessages("anthropic", JSON.parse(contextText).messages)).toEqual([]);

  const lines = await exported(run);
  expect((await (await imported(run, lines)).events()).filter(({ type }) => type === "budget_noted").length).toBe(1);
  const forged = resealed(lines.map((line) => line.replaceAll("[Heddle] 1,500", "[Heddle] 9,500 and more")));
  expect(codeOf(await send(copyOf(run), forged))).toBe("import_invalid");
});
