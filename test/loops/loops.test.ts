/** Loops beside what goes wrong around them: calls that are given up, replies that break off or are half JSON. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { AiSdkLoop } from "../../src/loops/ai-sdk.ts";
import { conversationOf, type Exchange } from "../../src/loops/ai-sdk-messages.ts";
import { OpenAILoop } from "../../src/loops/openai.ts";
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

describe("the AI SDK's replies", () => {
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
