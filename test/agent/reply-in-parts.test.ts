/** Replies of Anthropic's that are not the last word: over real HTTP, against a scheduler that answers as the test says. */

import { afterEach, expect, test } from "vitest";
import { callModel } from "../../src/agent/models/index.ts";
import { sayResultText } from "../../src/agent/reply.ts";
import { SnapshotCache } from "../../src/agent/snapshot-cache.ts";
import { runAttempt, type TurnLoopPorts } from "../../src/agent/turn-loop.ts";
import { noText } from "../../src/context/calls.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { Leave, SeatTurn, SeatWork } from "../../src/objects/seat-rpc.ts";
import { type Served, serve, sse } from "../local/simulated/serve.ts";
import { seatWork } from "./lib/seat-work.ts";

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

const user = (text: string) => JSON.stringify({ role: "user", content: text });
const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;

/** A whole stream of these blocks. */
const replies = (stop_reason: string, ...content: readonly object[]): string[] => [
  event("message_start", { message: { usage: { input_tokens: 5, output_tokens: 1 } } }),
  ...content.flatMap((content_block, index) => [
    event("content_block_start", { index, content_block }),
    event("content_block_stop", { index }),
  ]),
  event("message_delta", { delta: { stop_reason }, usage: { output_tokens: 2 } }),
  event("message_stop", {}),
];
const text = (words: string) => ({ type: "text", text: words });
const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "kettles" } };
const found = { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] };
const message = (...content: readonly object[]) => JSON.stringify({ role: "assistant", content });

/** A new task, or one that another seat began: its fork and its replies are in the log. */
const workOn = (logged: readonly string[], more: Partial<SeatWork> = {}) => seatWork([user("do"), ...logged], more);

/** Runs the attempt against a vendor that says one after the other, while `inbox` comes for the task with the first turn. */
async function attempt(work: SeatWork, said: readonly (readonly string[])[], inbox: readonly string[] = []) {
  const left = [...said];
  served = await serve(async () => sse(left.shift()!));
  const turns: SeatTurn[] = [];
  const leaves: Leave[] = [];
  let unseen = [...work.messages];
  const scheduler = {
    seatTurn: async (_lease: unknown, turn: SeatTurn) => {
      turns.push(turn);
      unseen = unseen.slice(turn.shown ?? 0);
      if (turns.length === 1) unseen.push(...inbox);
      const snapshot = `s${turns.length}`;
      return turn.ending
        ? { kind: "over" as const }
        : { kind: "go_on" as const, snapshot, answers: {}, messages: unseen, watched: false, paused: false };
    },
    leaveSeat: async (_lease: unknown, leave: Leave) => {
      leaves.push(leave);
      return { kind: "over" as const };
    },
  };
  const { url, asked } = served;
  await runAttempt(work, {
    scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
    ...{ run: "r", cache: new SnapshotCache(), next: () => undefined, isOver: () => false, callModel },
    providerFor: async () => ({ name: "anthropic", baseUrl: url, apiKey: "sk-0123456789", defaultModel: "m" }),
  });
  const requests = asked.map(({ body }) => JSON.parse(body) as { messages: object[]; max_tokens: number });
  for (const { messages } of requests) expect(checkMessages("anthropic", messages)).toEqual([]);
  return { requests, turns, leaves };
}

const withoutMarks = (messages: readonly object[]): unknown =>
  JSON.parse(JSON.stringify(messages), (key, value) => (key === "cache_control" ? undefined : value));

test("a reply that the vendor pauses is sent back as it is, and goes on: messages to the task wait for its end", async () => {
  const { requests, turns } = await attempt(
    workOn([]),
    [
      replies("pause_turn", text("Kettles: "), search),
      replies("pause_turn", found, { ...search, id: "srvtoolu_2" }),
      replies("end_turn", { ...found, tool_use_id: "srvtoolu_2" }, text("none.")),
    ],
    [user("be quick")],
  );
  // With a cache mark on it, a text is written as a block.
  const asked = JSON.stringify({ role: "user", content: [text("do")] });
  const first = message(text("Kettles: "), search);
  const second = message(found, { ...search, id: "srvtoolu_2" });
  expect(withoutMarks(requests[1]!.messages)).toEqual([JSON.parse(asked), JSON.parse(first)]);
  expect(withoutMarks(requests[2]!.messages.slice(1))).toEqual([JSON.parse(first), JSON.parse(second)]);
  expect(turns.map(({ messages, shown }) => [messages.length, shown])).toEqual([
    [1, 0],
    [1, 0],
    [1, 0],
  ]);
  expect(turns[0]!.messages).toEqual([first]);
  expect(turns.map(({ ending }) => ending)).toEqual([
    undefined,
    undefined,
    { kind: "result", result: "Kettles: none." },
  ]);
});

test("an attempt that takes it over goes on with it too, as one reply, and shows messages only then", async () => {
  const schema = JSON.stringify({ type: "object", required: ["n"] });
  const more = { outputSchema: schema, messages: [user("be quick")] };
  const { requests, turns } = await attempt(workOn([message(search)], more), [
    replies("end_turn", found, text('{"m": 1}')),
    replies("end_turn", text('{"n": 1}')),
  ]);
  expect(withoutMarks(requests[0]!.messages.slice(1))).toEqual([JSON.parse(message(search))]);
  expect(turns[0]).toMatchObject({ shown: 0, messages: [message(found, text('{"m": 1}'))] });
  expect(turns[1]!.messages[0]).toContain("was not accepted");
  expect(turns[1]).toMatchObject({ shown: 1, ending: { kind: "result", result: { n: 1 } } });
  expect(turns[1]!.messages[1]).toBe(user("be quick"));
});

test("a message that comes while it is paused is not taken for the one that was shown before", async () => {
  const { requests, turns } = await attempt(
    workOn([], { messages: [user("be quick")] }),
    [replies("pause_turn", search), replies("end_turn", found), replies("end_turn", text("none."))],
    [user("and kind")],
  );
  expect(turns.map(({ shown }) => shown)).toEqual([1, 0, 1]);
  expect(JSON.stringify(requests[2]!.messages)).toContain("and kind");
});

test("what stands in for the text behind reasoning is no part of what a paused reply says", async () => {
  const thinking = { type: "thinking", thinking: "Where?", signature: "c2ln" };
  const { turns } = await attempt(workOn([]), [
    replies("pause_turn", text("Kettles: "), thinking),
    replies("end_turn", text("none.")),
  ]);
  expect(turns[0]!.messages).toEqual([message(text("Kettles: "), thinking, text(noText))]);
  expect(turns[1]!.ending).toEqual({ kind: "result", result: "Kettles: none." });
});

test("one that is paused for ever ends with its turns", async () => {
  const pause = (i: number) => replies("pause_turn", found, { ...search, id: `srvtoolu_${i}` });
  const { turns, leaves } = await attempt(workOn([], { maxTurns: 3 }), [pause(1), pause(2), pause(3)]);
  expect(turns).toHaveLength(3);
  expect(leaves).toMatchObject([{ kind: "end", ending: { kind: "error", fault: "max_turns" } }]);
});

test("a model that ends its turn without a word is asked for the result, once", async () => {
  const asksAgain = await attempt(workOn([]), [replies("end_turn"), replies("end_turn", text("Done."))]);
  const silent = JSON.stringify({ role: "assistant", content: [text(noText)] });
  expect(asksAgain.turns.map(({ messages }) => messages)).toEqual([
    [silent],
    [user(sayResultText), message(text("Done."))],
  ]);
  expect(asksAgain.turns[1]!.ending).toEqual({ kind: "result", result: "Done." });
  await served!.close();
  const stays = await attempt(workOn([]), [replies("end_turn"), replies("end_turn")]);
  expect(stays.turns[1]).toMatchObject({ isFinal: true, ending: { kind: "result", result: "" } });
  await served!.close();
  const takenOver = await attempt(workOn([silent]), [replies("end_turn")]);
  expect(takenOver.turns).toMatchObject([
    { messages: [user(sayResultText), silent], ending: { kind: "result", result: "" } },
  ]);
});

test("an empty reply is no JSON, and the model is told so as often as of any other output", async () => {
  const { turns } = await attempt(workOn([], { outputSchema: "{}" }), [
    replies("end_turn"),
    replies("end_turn", text("4")),
  ]);
  expect(turns[1]!.messages[0]).toContain("not JSON");
  expect(turns[1]!.ending).toEqual({ kind: "result", result: 4 });
});

test.each([
  [8191, 8192],
  [10_000, 18_192],
])(
  "thinking of %i tokens, of a context that names no output limit, has room in one of %i",
  async (budget_tokens, max_tokens) => {
    const params = JSON.stringify({ thinking: { type: "enabled", budget_tokens } });
    const head = { format: "anthropic" as const, params };
    const { requests } = await attempt(workOn([], { head }), [replies("end_turn", text("x"))]);
    expect(requests[0]).toMatchObject({ max_tokens, thinking: { budget_tokens } });
  },
);
