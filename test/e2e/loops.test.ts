/** Drop-in loops: what they make of replies with several calls. The examples run in readme.test.ts. */

import { createAnthropic } from "@ai-sdk/anthropic";
import Anthropic from "@anthropic-ai/sdk";
import { generateText, stepCountIs, streamText } from "ai";
import OpenAI from "openai";
import { toResponseInputItems } from "openai/lib/responses/ResponseInputItems";
import { describe, expect, it } from "vitest";
import { Heddle, type Message } from "../../src/client/index.ts";
import { aiSdkLoop } from "../../src/loops/ai-sdk.ts";
import { anthropicLoop } from "../../src/loops/anthropic.ts";
import { openaiLoop, openaiResponsesLoop } from "../../src/loops/openai.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf, expectFork } from "./lib/transcripts.ts";

const server = sharedServer();

/** A client that keeps what it sent to …/context. */
function watched() {
  const sent: { after: string; messages: Message[] }[] = [];
  const heddle = new Heddle({
    url: server.url,
    key: "hdl_local",
    fetch: (url, init) => {
      if (init?.method === "POST" && String(url).endsWith("/context")) sent.push(JSON.parse(String(init.body)));
      return fetch(url, init);
    },
  });
  return { heddle, sent };
}

const prompt = plays([
  {
    text: "Both at once.",
    calls: [
      { tool: "create_task", arguments: { key: "left", instructions: says("left is done") } },
      { tool: "read_file", arguments: { path: "a.txt" } },
      { tool: "create_task", arguments: { key: "right", instructions: says("right is done") } },
      { tool: "create_task", arguments: { key: "left", instructions: "again" } },
    ],
  },
  { calls: [{ tool: "await_tasks", arguments: { tasks: ["left", "right"] } }] },
  { text: "{{2.0.tasks.0.result}}, {{2.0.tasks.1.result}}; {{1.1.length}}; {{1.3.error.code}}" },
]);
const final = /^left is done, right is done; .*duplicate_key$/;
const readFile = { name: "read_file", description: "Reads a file.", input_schema: { type: "object" as const } };
const handlers = { read_file: ({ path }: { path: string }) => ({ length: path.length }) };

/** Both forks go on from the one reply, each from its own call; what was sent was sent once. */
async function expectForks(
  run: string,
  sent: { messages: Message[] }[],
  format: "anthropic" | "openai",
): Promise<void> {
  expect(sent).toHaveLength(2);
  const whole = sent.flatMap(({ messages }) => messages);
  const reply = sent[0]!.messages.at(-1)!;
  expect(new Set(whole.map((message) => JSON.stringify(message))).size).toBe(whole.length);
  const text = JSON.stringify(reply);
  for (const [key, at] of [
    ["left", 0],
    ["right", 2],
  ] as const) {
    const task = await server.heddle.task(run, key);
    const ids =
      format === "anthropic"
        ? (reply.content as { id?: string; type: string }[]).filter(({ type }) => type === "tool_use")
        : (reply.tool_calls as { id: string }[]);
    const context = await contextOf(server, run, task.id);
    const base = sent[0]!.messages.slice(0, -1).map((message) => JSON.stringify(message));
    expectFork(context, { base, reply: text, call: ids[at]!.id!, task: task.id, instructions: says(`${key} is done`) });
  }
}

describe("a loop on the vendor's SDK", () => {
  it("of Anthropic forks at each call of a reply, and sends each message once, without cache marks", async () => {
    const { heddle, sent } = watched();
    const model = "simulated";
    const anthropic = new Anthropic({ baseURL: `${server.url}/simulated/anthropic`, apiKey: "x", maxRetries: 0 });
    await using loop = await anthropicLoop(heddle, { model, tools: [readFile], system: "Be brief." });
    expect([loop.handles("create_task"), loop.handles("read_file")]).toEqual([true, false]);
    const marked = { type: "text" as const, text: prompt, cache_control: { type: "ephemeral" as const } };
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: [marked] }];
    let said = "";
    for (;;) {
      const { content } = await anthropic.messages.create({ model, max_tokens: 500, messages, tools: loop.tools });
      messages.push({ role: "assistant", content });
      said = content.map((block) => (block.type === "text" ? block.text : "")).join("");
      const results = await loop.results(messages, handlers);
      if (results.length === 0) break;
      messages.push(...results);
      // The mark moves on, as it does in real loops.
      (messages[0]!.content as Anthropic.TextBlockParam[])[0]!.cache_control = null;
    }
    expect(said).toMatch(final);
    expect(messages[2]).toMatchObject({ content: [{}, { content: '{"length":5}' }, {}, { is_error: true }] });
    await expectForks(loop.run.id, sent, "anthropic");
    // The names of what every object has are no handlers.
    for (const name of ["no", "constructor", "__proto__"]) {
      const nobody = [
        { role: "assistant" as const, content: [{ type: "tool_use" as const, id: "u", name, input: {} }] },
      ];
      await expect(loop.results(nobody, handlers)).rejects.toThrow(`nobody carries out "${name}"`);
    }
    const [use] = messages[1]!.content as Anthropic.ToolUseBlock[];
    await expect(loop.call({ ...use!, id: "other", name: "inspect" }, messages)).rejects.toThrow("push the reply");
  });

  it("of OpenAI does so, too", async () => {
    const { heddle, sent } = watched();
    const model = "simulated";
    const openai = new OpenAI({ baseURL: `${server.url}/simulated/openai/v1`, apiKey: "x", maxRetries: 0 });
    const { name, description, input_schema: parameters } = readFile;
    await using loop = await openaiLoop(heddle, {
      model,
      tools: [{ type: "function", function: { name, description, parameters } }],
    });
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: prompt }];
    for (;;) {
      const reply = await openai.chat.completions.create({ ...loop.params, model, messages, tools: loop.tools });
      messages.push(reply.choices[0]!.message);
      const results = await loop.results(messages, handlers);
      if (results.length === 0) break;
      messages.push(...results);
    }
    expect(messages.at(-1)?.content).toMatch(final);
    await expectForks(loop.run.id, sent, "openai");
  });

  it("of OpenAI does so on the Responses API, created and streamed, with the system text that the loop was given", async () => {
    const model = "simulated";
    const openai = new OpenAI({ baseURL: `${server.url}/simulated/openai/v1`, apiKey: "x", maxRetries: 0 });
    const { name, description, input_schema: parameters } = readFile;
    for (const how of ["create", "stream"] as const) {
      const { heddle, sent } = watched();
      await using loop = await openaiResponsesLoop(heddle, {
        model,
        instructions: "Be brief.",
        tools: [{ type: "function", name, description, parameters, strict: false }, { type: "web_search" }],
        params: { reasoning: { effort: "low" }, store: false },
      });
      expect([loop.handles("create_task"), loop.handles("read_file")]).toEqual([true, false]);
      const input: OpenAI.Responses.ResponseInputItem[] = [{ role: "user", content: prompt }];
      for (;;) {
        const request = { ...loop.params, model, input, tools: loop.tools };
        const reply =
          how === "create"
            ? await openai.responses.create(request)
            : await openai.responses.stream(request).finalResponse();
        input.push(...toResponseInputItems(reply.output));
        const results = await loop.results(input, handlers);
        if (results.length > 0) input.push(...results);
        else {
          expect(reply.output_text).toMatch(final);
          break;
        }
      }
      await expectForks(loop.run.id, sent, "openai");
      expect(sent[0]!.messages[0]).toEqual({ role: "system", content: "Be brief." });
      const context = await heddle.taskContext(loop.run.id, "left");
      expect(context.params).toEqual({ prompt_cache_key: loop.params.prompt_cache_key, reasoning_effort: "low" });
      expect(context.tools).toHaveLength(loop.tools.length - 1);
      // A call that is made again gets its first answer.
      const again = input.find((item) => item.type === "function_call")!;
      expect(await loop.call(again, input)).toEqual(input.find((item) => item.type === "function_call_output"));
      await expect(loop.call({ ...again, call_id: "other" }, input)).rejects.toThrow("push the reply");
    }
  });
});

describe("a reply that was cut off", () => {
  // What an SDK that reads a stream makes of arguments that end too early: three tasks were meant.
  const half = { tasks: [{ key: "first", instructions: says("done") }] };
  const note = { name: "note", description: "Notes a text.", input_schema: { type: "object" as const } };
  const cutOff = expect.stringContaining('"code":"output_truncated"');

  it("of Anthropic makes no call, and each is answered", async () => {
    await using loop = await anthropicLoop(server.heddle, { model: "simulated", tools: [note] });
    const noted: unknown[] = [];
    const handlers = { note: (args: unknown) => noted.push(args) };
    const uses = [
      { type: "tool_use" as const, id: "u1", name: "note", input: { text: "hal" } },
      { type: "tool_use" as const, id: "u2", name: "create_task", input: half },
    ];
    const messages: Anthropic.MessageParam[] = [
      { role: "user", content: "x" },
      { role: "assistant", content: uses },
    ];
    for (const stop_reason of ["max_tokens", "model_context_window_exceeded", "refusal"] as const) {
      expect(await loop.results(messages, handlers, { reply: { stop_reason } })).toEqual([
        {
          role: "user",
          content: uses.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: cutOff, is_error: true })),
        },
      ]);
    }
    expect([noted, (await loop.run.view()).counts.ready]).toEqual([[], 0]);
    expect((await server.heddle.listTasks(loop.run.id)).tasks).toEqual([]);
    const whole = await loop.results(messages, handlers, { reply: { stop_reason: "tool_use" } });
    expect([noted.length, JSON.stringify(whole)]).toEqual([1, expect.stringContaining("first")]);
  });

  it("of OpenAI makes none either, in chat completions and in the Responses API", async () => {
    await using chat = await openaiLoop(server.heddle, { model: "simulated" });
    const call = { name: "create_task", arguments: JSON.stringify(half) };
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "user", content: "x" },
      { role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: call }] },
    ];
    const reply = { choices: [{ finish_reason: "length" as const }] };
    expect(await chat.results(messages, {}, { reply })).toEqual([
      { role: "tool", tool_call_id: "c1", content: cutOff },
    ]);
    expect((await server.heddle.listTasks(chat.run.id)).tasks).toEqual([]);

    await using loop = await openaiResponsesLoop(server.heddle, { model: "simulated" });
    const item = { type: "function_call" as const, call_id: "c1", ...call };
    const output = [{ type: "function_call_output", call_id: "c1", output: cutOff }];
    const asked = { role: "user" as const, content: "x" };
    expect(await loop.results([asked, { ...item, status: "incomplete" }])).toEqual(output);
    expect(await loop.results([asked, item], {}, { reply: { status: "incomplete" } })).toEqual(output);
    expect((await server.heddle.listTasks(loop.run.id)).tasks).toEqual([]);
  });
});

describe("a loop whose process died", () => {
  const model = "simulated";
  const remote = { name: "count_words", description: "Counts.", input_schema: { type: "object" }, pool: "words" };
  const made = { key: "made", instructions: says("it is made") };

  it("goes on beside its run, with what the run declares, and what was answered is answered again", async () => {
    const options = { model, only: ["create_task", "await_tasks"] };
    const first = await anthropicLoop(server.heddle, { ...options, run: { tools: [remote] } });
    const use = { type: "tool_use" as const, id: "u1", name: "create_task", input: { tasks: [made] } };
    const messages: Anthropic.MessageParam[] = [
      { role: "user", content: "x" },
      { role: "assistant", content: [use] },
    ];
    const answered = await first.results(messages);
    for (const run of [first.run.id, server.heddle.runs.get(first.run.id)]) {
      const { heddle, sent } = watched();
      const again = await anthropicLoop(heddle, { ...options, run });
      expect([again.run.id, again.tools]).toEqual([first.run.id, first.tools]);
      expect(again.handles("count_words")).toBe(true);
      expect(await again.results(messages)).toEqual(answered);
      expect(sent).toEqual([]);
    }
    const [awaited] = await first.run.tasks.settled(["made"]);
    expect(awaited).toMatchObject({ state: "succeeded", result: "it is made" });
    await expect(openaiLoop(server.heddle, { model, run: first.run })).rejects.toThrow('is of format "anthropic"');
    await first.finish();
  });

  it("has the key by which its forks share a prompt cache, of either API of OpenAI", async () => {
    await using chat = await openaiLoop(server.heddle, { model });
    const again = await openaiLoop(server.heddle, { model, run: chat.run.id });
    expect(again.params).toEqual(chat.params);
    const responses = await openaiResponsesLoop(server.heddle, { model, instructions: "Be brief.", run: chat.run.id });
    expect(responses.params).toEqual({ ...chat.params, instructions: "Be brief." });
    await expect(aiSdkLoop(server.heddle, { run: chat.run.id })).rejects.toThrow('is of format "openai"');
    expect((await aiSdkLoop(server.heddle, { format: "openai", run: chat.run.id })).run.id).toBe(chat.run.id);
  });
});

describe("a reply whose calls name what others of it make", () => {
  const created = { key: "made", instructions: says("it is made") };
  const calls = [
    { tool: "create_task", arguments: { tasks: [created] } },
    { tool: "shared_map", arguments: { op: "set", name: "m", key: "k", value: 1 } },
    { tool: "await_tasks", arguments: { tasks: ["made"] } },
    { tool: "message_queue", arguments: { op: "pop", name: "q" } },
    { tool: "message_queue", arguments: { op: "push", name: "q", messages: ["hello"] } },
  ];
  const model = "simulated";
  const script = plays([{ calls }, { text: "{{1.2.tasks.0.result}}, {{1.3.messages.0}}" }]);
  /** A client that is slow to ask for what the others need. */
  const slow = () =>
    new Heddle({
      url: server.url,
      key: "hdl_local",
      fetch: async (url, init) => {
        const isFirst = String(url).endsWith("/tools/create_task") || String(init?.body).includes('"op":"pop"');
        if (isFirst) await new Promise((resolve) => setTimeout(resolve, 200));
        return fetch(url, init);
      },
    });

  it("has them in its order, in a loop on the vendor's SDK", async () => {
    const anthropic = new Anthropic({ baseURL: `${server.url}/simulated/anthropic`, apiKey: "x", maxRetries: 0 });
    await using loop = await anthropicLoop(slow(), { model });
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: script }];
    for (;;) {
      const { content } = await anthropic.messages.create({ model, max_tokens: 500, messages, tools: loop.tools });
      messages.push({ role: "assistant", content });
      const results = await loop.results(messages);
      if (results.length === 0) break;
      messages.push(...results);
    }
    expect(messages.at(-1)).toMatchObject({ content: [{ text: "it is made, hello" }] });
  });

  it.each(["wrapped", "not wrapped"])("has them in its order on the AI SDK, with a model that was %s", async (how) => {
    const provider = createAnthropic({ baseURL: `${server.url}/simulated/anthropic/v1`, apiKey: "x" });
    await using loop = await aiSdkLoop(slow(), { model });
    const call = {
      model: how === "wrapped" ? loop.model(provider(model)) : provider(model),
      tools: loop.tools,
      prompt: script,
      maxOutputTokens: 500,
      stopWhen: stepCountIs(5),
    };
    expect(await streamText(call).text).toBe("it is made, hello");
  });
});

it("an agent outside holds and waits as a task does, and lets go at the end", async () => {
  const model = "simulated";
  const anthropic = new Anthropic({ baseURL: `${server.url}/simulated/anthropic`, apiKey: "x", maxRetries: 0 });
  const loop = await anthropicLoop(server.heddle, { model, only: ["lock", "message_queue", "shared_memory"] });
  const lock = (op: string, more: object = {}) => ({ tool: "lock", arguments: { op, name: "l", ...more } });
  const text = plays([
    { calls: [lock("acquire"), { tool: "message_queue", arguments: { op: "pop", name: "q" } }] },
    {
      calls: [
        { tool: "shared_memory", arguments: { op: "append", name: "m", text: "x", fence: { lock: "l", token: 1 } } },
        lock("acquire"),
      ],
    },
    { calls: [lock("release", { token: "{{1.0.token}}" }), lock("acquire")] },
    { text: "{{1.1.messages.0}} {{2.0.version}} {{2.1.error.code}} {{3.1.token}}" },
  ]);
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: text }];
  await loop.run.queue("q").push(["hello"]);
  for (;;) {
    const { content } = await anthropic.messages.create({ model, max_tokens: 500, messages, tools: loop.tools });
    messages.push({ role: "assistant", content });
    const results = await loop.results(messages);
    if (results.length === 0) break;
    messages.push(...results);
  }
  expect(messages.at(-1)).toMatchObject({ content: [{ text: "hello 1 already_held 2" }] });
  expect((await server.heddle.actors(loop.run.id)).actors).toMatchObject([{ holds: [{ variable: "l", token: 2 }] }]);
  await loop.finish();
  expect((await server.heddle.actors(loop.run.id)).actors).toEqual([]);
});

it("a tool that the run declares is carried out by its worker, for the loop as for its forks", async () => {
  const pool = `words-${crypto.randomUUID().slice(0, 8)}`;
  const count = { name: "count_words", description: "Counts words.", input_schema: { type: "object" }, pool };
  await using loop = await openaiLoop(server.heddle, { model: "simulated", only: [], run: { tools: [count] } });
  expect([loop.tools.length, loop.handles("count_words")]).toEqual([1, true]);
  const call = {
    id: "call_0",
    type: "function" as const,
    function: { name: "count_words", arguments: '{"text": "a b"}' },
  };
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "x" }];
  // Some providers give every reply's first call the same id.
  for (const result of ["2 words", "again"]) {
    messages.push({ role: "assistant", content: null, tool_calls: [call] });
    const answered = loop.results(messages);
    const [lease] = await server.heddle.leaseToolCalls(pool, { worker: "w", wait_ms: 20_000 });
    expect(lease!.tool_call).toMatchObject({ tool: "count_words", arguments: { text: "a b" } });
    await server.heddle.completeToolCall(lease!.id, { result });
    const results = await answered;
    expect(results).toEqual([{ role: "tool", tool_call_id: "call_0", content: result }]);
    messages.push(...results);
  }
});

describe.each(["anthropic", "openai"] as const)("the AI SDK, with forks in the format of %s", (format) => {
  const provider = createAnthropic({ baseURL: `${server.url}/simulated/anthropic/v1`, apiKey: "x" });
  const mine = {
    read_file: {
      description: "Reads a file.",
      inputSchema: {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: (value: unknown) => ({ value }),
          jsonSchema: { input: () => ({ type: "object" }), output: () => ({}) },
        },
      } as never,
      execute: (input: { path: string }) => ({ length: input.path.length }),
    },
  };

  it("forks at each call of a reply that was generated, and of one that was streamed", async () => {
    for (const how of ["generate", "stream"] as const) {
      const { heddle, sent } = watched();
      await using loop = await aiSdkLoop(heddle, { format, model: "simulated", system: "Be brief." });
      const call = {
        model: loop.model(provider("simulated")),
        system: "Be brief.",
        tools: { ...mine, ...loop.tools },
        prompt,
        maxOutputTokens: 500,
        stopWhen: stepCountIs(5),
      };
      const text = how === "generate" ? (await generateText(call)).text : await streamText(call).text;
      expect(text).toMatch(final);
      await expectForks(loop.run.id, sent, format);
    }
  });

  it("forks the conversation before the reply where the model was not wrapped", async () => {
    const { heddle, sent } = watched();
    await using loop = await aiSdkLoop(heddle, { format, model: "simulated" });
    const { text } = await generateText({
      model: provider("simulated"),
      tools: { ...mine, ...loop.tools },
      prompt,
      maxOutputTokens: 500,
      stopWhen: stepCountIs(5),
    });
    expect(text).toMatch(final);
    expect(sent[0]!.messages.map(({ role }) => role)).toEqual(["user"]);
    const { messages } = await heddle.taskContext(loop.run.id, "right");
    expect(messages[1]!.role).toBe("user");
  });
});
