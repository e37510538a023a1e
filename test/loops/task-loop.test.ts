/** Leased tasks as loops, on replies as no vendor gives them, but servers of its format. */

import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sayResultText } from "../../src/agent/reply.ts";
import { Heddle, type LeasedTask } from "../../src/client/index.ts";
import { noText } from "../../src/context/calls.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { anthropicTask } from "../../src/loops/anthropic.ts";
import { openaiTask } from "../../src/loops/openai.ts";
import { PoolServer } from "../cli/lib/contract-server.ts";

let server: PoolServer;
let format: "anthropic" | "openai";
/** Messages to the task, for its next turn. */
let news: object[];
/** What an attempt before has logged. */
let before: object[];
/** Which of these are the task's own turns, the last; and the context's model. */
let turns: number;
let named: string | undefined;
beforeEach(async () => {
  news = [];
  before = [];
  turns = 0;
  named = undefined;
  server = await new PoolServer().start();
  const answer = server.handler;
  server.handler = async (call) => {
    if (call.path.startsWith("/v1/tools")) return { status: 200, body: { tools: [] } };
    if (call.path.endsWith("/turn")) return { status: 200, body: { snapshot: "s2", messages: news.splice(0) } };
    const given = await answer(call);
    const [lease] = (given?.body as { leases?: { context: object; task: object }[] } | undefined)?.leases ?? [];
    if (lease) {
      lease.context = {
        format,
        messages: [{ role: "user", content: "do" }, ...before],
        ...(named && { model: named }),
      };
      lease.task = { ...lease.task, turns };
    }
    return given;
  };
});
afterEach(() => server.stop());

/** What the loop logs and calls when a task's model replies so, one reply after another. */
async function carriedOut(run: (heddle: Heddle, task: LeasedTask) => Promise<string>) {
  const heddle = new Heddle({ url: server.url, key: "hdl_k" });
  server.add("t");
  await heddle.work({ pool: "p", idleMs: 0, run: (task) => run(heddle, task) });
  return {
    logged: server.of("POST", /turn$/).map(({ body }) => body.messages),
    called: server.of("POST", /tools/).map(({ path, body }) => [path.split("/").at(-1), body.call_id]),
  };
}

const ids = ["a", "b", "a", ""];

it("calls of Anthropic's format that a server gives one id, or none, each have their own, and are all carried out", async () => {
  format = "anthropic";
  const content = [
    { type: "text", text: "All." },
    ...ids.map((id) => ({ type: "tool_use", id, name: "atomic", input: {} })),
  ] as Anthropic.ContentBlock[];
  const usage = { input_tokens: 1, output_tokens: 1 } as Anthropic.Usage;
  const { logged, called } = await carriedOut(async (heddle, task) => {
    const loop = await anthropicTask(heddle, task);
    await loop.add({ content, usage });
    await loop.add({ content: content.slice(0, 1), usage });
    return loop.text;
  });
  const [, a, b, c, d] = logged[0][0].content.map(({ id }: { id?: string }) => id);
  expect([a, b]).toEqual(["a", "b"]);
  expect(new Set(["", a, b, c, d]).size).toBe(5);
  expect(logged[0][0].content[0]).toEqual(content[0]);
  expect(called).toEqual([a, b, c, d].map((id) => ["atomic", id]));
  expect(logged[1][0].content.map((result: Anthropic.ToolResultBlockParam) => result.tool_use_id)).toEqual([
    a,
    b,
    c,
    d,
  ]);
});

it("so do those of OpenAI's format", async () => {
  format = "openai";
  const tool_calls = ids.map((id) => ({ id, type: "function", function: { name: "atomic", arguments: "{}" } }));
  const reply = (message: object) => ({ choices: [{ message }] }) as unknown as OpenAI.ChatCompletion;
  const { logged, called } = await carriedOut(async (heddle, task) => {
    const loop = await openaiTask(heddle, task);
    await loop.add(reply({ role: "assistant", content: null, tool_calls }));
    await loop.add(reply({ role: "assistant", content: "done" }));
    return loop.text;
  });
  const [a, b, c, d] = logged[0][0].tool_calls.map(({ id }: { id: string }) => id);
  expect([a, b]).toEqual(["a", "b"]);
  expect(new Set(["", a, b, c, d]).size).toBe(5);
  expect(called).toEqual([a, b, c, d].map((id) => ["atomic", id]));
  expect(logged[1].slice(0, 4).map(({ tool_call_id: id }: { tool_call_id: string }) => id)).toEqual([a, b, c, d]);
});

it.each([
  ["nothing", []],
  ["blanks", [{ type: "text", text: " \n" }]],
  ["reasoning alone", [{ type: "thinking", thinking: "Done.", signature: "c2ln" }]],
])(
  "a reply of Anthropic's that says %s is logged as the vendor takes it back, and its text is empty",
  async (_, said) => {
    format = "anthropic";
    const usage = { input_tokens: 1, output_tokens: 1 } as Anthropic.Usage;
    const content = said as unknown as Anthropic.ContentBlock[];
    const call = { type: "tool_use", id: "a", name: "atomic", input: {} } as Anthropic.ContentBlock;
    const texts: string[] = [];
    const { logged } = await carriedOut(async (heddle, task) => {
      const loop = await anthropicTask(heddle, task);
      await loop.add({ content: [...content, call], usage, stop_reason: "tool_use" });
      news = [{ role: "user", content: "and?" }];
      await loop.add({ content, usage, stop_reason: "end_turn" });
      expect(loop.isOver).toBe(false);
      texts.push(loop.text);
      expect(checkMessages("anthropic", loop.request.messages)).toEqual([]);
      for (const isOver of [false, true]) {
        await loop.add({ content, usage, stop_reason: "end_turn" });
        expect(loop.isOver).toBe(isOver);
        expect(checkMessages("anthropic", loop.request.messages)).toEqual([]);
        texts.push(loop.text);
      }
      return loop.text;
    });
    expect(texts).toEqual(["", "", ""]);
    expect(logged[2][0].content.at(-1)).toEqual({ type: "text", text: noText });
    expect(logged[3][0]).toEqual({ role: "user", content: sayResultText });
    expect(server.outcomes).toMatchObject([{ result: "" }]);
  },
);

it("a reply of OpenAI's format without words or calls is logged as its servers take it back", async () => {
  format = "openai";
  const reply = { role: "assistant", content: null, refusal: null, tool_calls: [] };
  const { logged } = await carriedOut(async (heddle, task) => {
    const loop = await openaiTask(heddle, task);
    news = [{ role: "user", content: "and?" }];
    for (const isOver of [false, false, true]) {
      await loop.add({ choices: [{ message: reply }] } as unknown as OpenAI.ChatCompletion);
      expect(loop.isOver).toBe(isOver);
      expect(checkMessages("openai", loop.request.messages)).toEqual([]);
    }
    return loop.text;
  });
  expect(logged).toHaveLength(3);
  expect(logged[2][0]).toEqual({ role: "user", content: sayResultText });
  expect(server.outcomes).toMatchObject([{ result: "" }]);
});

it.each([
  ["another model than the context's is given what that one said without its reasoning, and its own with it", "other"],
  ["the context's own is given all as it is", "theirs"],
  ["so is one where the context names none", undefined],
])("%s", async (_, model) => {
  named = model === undefined ? undefined : "theirs";
  const options = { model: model ?? "other" };
  const thought = (text: string) => ({ type: "thinking", thinking: text, signature: "c2ln" });
  const say = (text: string) => ({ type: "text", text });
  turns = 1;
  format = "anthropic";
  before = [
    { role: "assistant", content: [thought("theirs"), say("A")] },
    { role: "assistant", content: [thought("theirs")] },
    { role: "user", content: "go on" },
    { role: "assistant", content: [thought("own"), { type: "tool_use", id: "a", name: "atomic", input: {} }] },
  ];
  const kept = structuredClone(before);
  const seen: unknown[][] = [];
  const take = (messages: readonly unknown[]) => seen.push(messages.slice(1, 1 + before.length));
  await carriedOut(async (heddle, task) => {
    take((await anthropicTask(heddle, task, options)).request.messages);
    return "";
  });
  format = "openai";
  before = [
    { role: "assistant", content: "A", reasoning: "theirs", reasoning_content: "theirs", reasoning_details: [] },
    { role: "assistant", content: "B", reasoning_content: "own" },
  ];
  await carriedOut(async (heddle, task) => {
    take((await openaiTask(heddle, task, options)).request.messages);
    return "";
  });
  const stripped = [
    { role: "assistant", content: [say("A")] },
    { role: "assistant", content: "(reasoning only)" },
    ...kept.slice(2),
  ];
  const isOther = model === "other";
  expect(seen[0]).toEqual(isOther ? stripped : kept);
  expect(seen[1]).toEqual(isOther ? [{ role: "assistant", content: "A" }, before[1]] : before);
});

it("an empty reply is asked for the result, as a hosted agent's is, also by the attempt that finds it logged", async () => {
  format = "openai";
  const reply = (content: string) => ({ choices: [{ message: { role: "assistant", content } }] });
  const said: (string | undefined)[] = [];
  const add = async (loop: Awaited<ReturnType<typeof openaiTask>>, content: string) => {
    await loop.add(reply(content) as unknown as OpenAI.ChatCompletion);
    said.push(loop.isOver ? "over" : (loop.request.messages.at(-1)?.content as string));
  };
  await carriedOut(async (heddle, task) => {
    const loop = await openaiTask(heddle, task);
    await add(loop, " \n");
    await add(loop, "the result");
    return loop.text;
  });
  expect(said).toEqual([sayResultText, "over"]);
  expect(server.outcomes).toMatchObject([{ result: "the result" }]);
  before = [{ role: "assistant", content: "" }];
  await carriedOut(async (heddle, task) => {
    const loop = await openaiTask(heddle, task);
    expect([loop.isOver, loop.request.messages.at(-1)?.content]).toEqual([false, sayResultText]);
    await add(loop, "");
    return loop.text;
  });
  expect(said.at(-1)).toBe("over");
});

it("tokens that a server of OpenAI's format does not count are estimated, so that a budget of them holds", async () => {
  format = "openai";
  const message = { role: "assistant", content: "done" };
  const replies = [
    { choices: [{ message }] },
    { choices: [{ message }], usage: { prompt_tokens: 0, completion_tokens: 7 } },
  ];
  for (const reply of replies)
    await carriedOut(async (heddle, task) => {
      const loop = await openaiTask(heddle, task);
      await loop.add(reply as unknown as OpenAI.ChatCompletion);
      return loop.text;
    });
  const usages = server.of("POST", /turn$/).map(({ body }) => [body.usage.input_tokens, body.usage.output_tokens]);
  const asked = '[]{"role":"user","content":"do"}';
  expect(usages).toEqual([
    [asked.length / 4, Math.ceil(JSON.stringify(message).length / 4)],
    [0, 7],
  ]);
});

it("so are those that one of Anthropic's format does not count, of all parts of a reply that it paused", async () => {
  format = "anthropic";
  const content = [{ type: "text", text: "done" }] as unknown as Anthropic.ContentBlock[];
  const replies = [
    { content, stop_reason: "pause_turn" },
    { content, usage: { cache_read_input_tokens: 5 }, stop_reason: "pause_turn" },
    { content, usage: { input_tokens: 1, output_tokens: 2, cache_read_input_tokens: 1000 }, stop_reason: "end_turn" },
  ];
  await carriedOut(async (heddle, task) => {
    const loop = await anthropicTask(heddle, task);
    for (const reply of replies) await loop.add(reply as unknown as Anthropic.Message);
    return loop.text;
  });
  const [{ usage }] = server.of("POST", /turn$/).map(({ body }) => body);
  const asked = '[]{"role":"user","content":"do"}';
  const said = JSON.stringify(content);
  expect(usage).toEqual({
    input_tokens:
      asked.length / 4 + Math.ceil((asked + JSON.stringify({ role: "assistant", content })).length / 4) + 1001,
    output_tokens: 2 * Math.ceil(said.length / 4) + 2,
    cache_read_tokens: 1005,
    cache_write_tokens: 0,
  });
});

it.each(["pause_turn", "compaction"])(
  "a reply that ends by %s is not over, and logged with what is then said",
  async (reason) => {
    format = "anthropic";
    const usage = { input_tokens: 1, output_tokens: 1 } as Anthropic.Usage;
    const parts = [
      [{ type: "compaction", content: "We sell kettles." }],
      [{ type: "text", text: "done" }],
    ] as unknown as Anthropic.ContentBlock[][];
    const { logged } = await carriedOut(async (heddle, task) => {
      const loop = await anthropicTask(heddle, task);
      await loop.add({ content: parts[0]!, usage, stop_reason: reason as Anthropic.StopReason });
      expect(loop.isOver).toBe(false);
      expect(loop.request.messages.at(-1)).toEqual({ role: "assistant", content: parts[0] });
      await loop.add({ content: parts[1]!, usage, stop_reason: "end_turn" });
      expect(loop.isOver).toBe(true);
      return loop.text;
    });
    expect(logged).toEqual([[{ role: "assistant", content: parts.flat() }]]);
    expect(server.outcomes).toMatchObject([{ result: "done" }]);
  },
);
