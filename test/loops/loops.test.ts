/** Loops beside what goes wrong around them: calls that are given up, replies that break off or are half JSON. */

import { MockLanguageModelV4 } from "ai/test";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { AiSdkLoop } from "../../src/loops/ai-sdk.ts";
import { conversationOf, type Exchange } from "../../src/loops/ai-sdk-messages.ts";
import { AnthropicLoop } from "../../src/loops/anthropic.ts";
import { OpenAILoop, OpenAIResponsesLoop } from "../../src/loops/openai.ts";
import { type Answer, type Call, TestServer } from "../cli/lib/contract-server.ts";

let answer: (call: Call) => Answer | Promise<Answer>;
const server = new TestServer((call) => {
  if (call.path.endsWith("/actors")) return { status: 201, body: { id: "A1", ttl_ms: 60_000 } };
  if (call.path.endsWith("/context")) return { status: 200, body: { snapshot: "s1" } };
  if (/\/runs\/run_1$/.test(call.path)) return { status: 200, body: { id: "run_1", snapshot: "s0" } };
  if (/\/snapshots\//.test(call.path)) return { status: 200, body: { messages: [], parent: null } };
  return answer(call);
});
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});
const run = () => new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 }).runs.get("run_1");

describe("an agent's session", () => {
  const call = (id: string) => ({ id, type: "function" as const, function: { name: "lock", arguments: "{}" } });
  const messages = [{ role: "assistant" as const, tool_calls: [call("c1"), call("c2")] }];
  const loop = () => new OpenAILoop(run(), { own: ["lock"], remote: [] }, [], { prompt_cache_key: "k" });

  it("outlives a call that is given up: what it holds is still the agent's", async () => {
    const own = loop();
    const called = Promise.withResolvers<void>();
    answer = () => {
      called.resolve();
      return new Promise(() => undefined);
    };
    const abort = new AbortController();
    const givenUp = own.call(call("c1"), messages, { signal: abort.signal });
    await called.promise;
    abort.abort(new Error("enough"));
    await expect(givenUp).rejects.toThrow("enough");
    answer = () => ({ status: 200, body: { result: { token: 1 } } });
    expect(await own.call(call("c2"), messages)).toMatchObject({ content: '{"token":1}' });
    expect(server.of("POST", /actors$/)).toHaveLength(1);
  });

  it("that is lost is told to the model, and the next call has another", async () => {
    const own = loop();
    answer = () => ({ status: 404, body: { code: "not_found", title: "t", hint: "h" } });
    expect((await own.call(call("c1"), messages)).content).toContain("session_lost");
    answer = () => ({ status: 200, body: { result: { token: 1 } } });
    expect(await own.call(call("c2"), messages)).toMatchObject({ content: '{"token":1}' });
    expect(server.of("POST", /actors$/)).toHaveLength(2);
  });
});

describe("calls that a server gives one id, or none,", () => {
  const inbox: Call[] = [];
  beforeEach(() => {
    inbox.length = 0;
    answer = (call) => {
      inbox.push(call);
      return { status: 200, body: { result: 1 } };
    };
  });
  const names = { own: ["atomic"], remote: [] };

  it.each([
    ["c1", 'several calls the id "c1"'],
    ["", 'call of "atomic" has no id'],
  ])("%j are refused before any is carried out, with what to do", async (id, why) => {
    const calls = [id, id];
    const chat = new OpenAILoop(run(), names, [], { prompt_cache_key: "k" });
    const chatCall = { id, type: "function" as const, function: { name: "atomic", arguments: "{}" } };
    const refused = expect.objectContaining({ message: expect.stringMatching(`${why}.*give each a new one`) });
    await expect(chat.results([{ role: "assistant", tool_calls: calls.map(() => chatCall) }])).rejects.toEqual(refused);
    const items = [
      { role: "user" as const, content: "do" },
      ...calls.map((call_id) => ({ type: "function_call" as const, call_id, name: "atomic", arguments: "{}" })),
    ];
    const responses = new OpenAIResponsesLoop(run(), names, [], { prompt_cache_key: "k" });
    await expect(responses.results(items)).rejects.toEqual(refused);
    const anthropic = new AnthropicLoop(run(), names, []);
    const content = calls.map((one) => ({ type: "tool_use" as const, id: one, name: "atomic", input: {} }));
    await expect(anthropic.results([{ role: "assistant", content }])).rejects.toEqual(refused);
    expect(inbox).toEqual([]);
    // Those of one's own tools are nobody else's matter.
    expect(await anthropic.results([{ role: "assistant", content }], { atomic: () => "mine" })).toHaveLength(1);
  });
});

describe("the AI SDK's replies", () => {
  const streamOf = (parts: readonly object[]) =>
    new ReadableStream({
      start: (controller) => {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      },
    });
  const cut = (finish: string | undefined, ids: readonly string[] = ["a"]) => {
    const parts = [
      ...ids.map((toolCallId) => ({ type: "tool-call", toolCallId, toolName: "atomic", input: "{}" })),
      ...(finish === undefined ? [] : [{ type: "finish", finishReason: { unified: finish } }]),
    ];
    return new MockLanguageModelV4({
      doGenerate: async () => ({ content: parts.slice(0, ids.length), finishReason: { unified: finish } }) as never,
      doStream: async () => ({ stream: streamOf(parts) }) as never,
    });
  };
  const asked = async (model: MockLanguageModelV4, way: "doGenerate" | "doStream", loop: AiSdkLoop) => {
    const wrapped = loop.model(model);
    const options = { prompt: [{ role: "user", content: [{ type: "text", text: "do" }] }] } as never;
    const made = await wrapped[way](options);
    if ("stream" in made) for await (const _ of made.stream as unknown as AsyncIterable<unknown>);
    return loop.tools.atomic!.execute!({}, { toolCallId: "a", messages: [], context: {} } as never);
  };

  it.each([
    ["length", "doGenerate"],
    ["content-filter", "doGenerate"],
    ["length", "doStream"],
    ["interrupted", "doStream"],
    [undefined, "doStream"],
  ] as const)("that were cut off (%s, %s) have no call carried out, and each is told so", async (finish, way) => {
    const inbox: Call[] = [];
    answer = (call) => {
      inbox.push(call);
      return { status: 200, body: { result: 1 } };
    };
    const loop = new AiSdkLoop(run(), [{ name: "atomic", description: "", schema: { type: "object" } }] as never);
    expect(await asked(cut(finish), way, loop)).toMatchObject({ error: { code: "output_truncated" } });
    expect(inbox).toEqual([]);
    expect(await asked(cut("tool-calls"), way, loop)).toBe(1);
    await expect(asked(cut("tool-calls", ["a", "a"]), way, loop)).rejects.toThrow("give each a new one");
  });

  const half = { type: "tool-call" as const, toolCallId: "b", toolName: "read_file", input: '{"path": "a' };
  const whole = { type: "tool-call" as const, toolCallId: "a", toolName: "create_task", input: '{"tasks":[]}' };
  const exchange: Exchange = { prompt: [], reply: [whole, half] };

  it.each([
    ["anthropic", { content: [{ input: { tasks: [] } }, { input: {} }] }],
    ["openai", { tool_calls: [{ function: { arguments: '{"tasks":[]}' } }, { function: { arguments: "{}" } }] }],
  ] as const)("with a call whose arguments are half JSON can be forked at the others (%s)", (format, message) => {
    expect(conversationOf(exchange, format)).toMatchObject([message]);
  });

  it("that break off keep nobody waiting who gives up", async () => {
    const loop = new AiSdkLoop(run(), [{ name: "create_task", description: "d", schema: { type: "object" } }]);
    const stream = new ReadableStream({ start: (controller) => controller.enqueue(whole) });
    const wrapped = await loop.middleware.wrapStream!({
      doStream: async () => ({ stream }),
      params: { prompt: [] },
    } as unknown as Parameters<NonNullable<typeof loop.middleware.wrapStream>>[0]);
    await wrapped.stream.getReader().read();
    const abort = new AbortController();
    const options = { toolCallId: "a", messages: [], abortSignal: abort.signal };
    const answered = loop.tools.create_task!.execute!({}, options as never) as Promise<unknown>;
    abort.abort(new Error("enough"));
    await expect(answered).rejects.toThrow("enough");
  });
});
