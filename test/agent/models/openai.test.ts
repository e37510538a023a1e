import { afterEach, describe, expect, test } from "vitest";
import { callOpenai } from "../../../src/agent/models/openai.ts";
import { checkMessages } from "../../../src/context/message-rules.ts";
import { jsonDepthMax, reportedTokensMax } from "../../../src/limits.ts";
import { type Served, serve, sse } from "../../local/simulated/serve.ts";
import { faultOf, key, replyOf, requestTo } from "./request.ts";

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

const line = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const chunk = (delta: object, finish_reason: string | null = null) =>
  line({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason }],
  });
const usage = (of: object) =>
  line({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage: of });
const done = line("[DONE]");
const call = (index: number | undefined, rest: object) =>
  chunk({ tool_calls: [{ ...(index !== undefined && { index }), ...rest }] });

async function answering(...events: string[]): Promise<Served> {
  served = await serve(async () => sse(events));
  return served;
}

const reply = async (...events: string[]) =>
  replyOf(await callOpenai(requestTo("openai", (await answering(...events)).url)));

describe("the reply", () => {
  test("counts that no call can have used give nothing back, and stay numbers that add up", async () => {
    const got = await reply(
      chunk({ role: "assistant", content: "x" }),
      chunk({}, "stop"),
      // A number that JSON can carry and no sum survives.
      usage({ prompt_tokens: -5, completion_tokens: "huge" }).replace('"huge"', "1e999"),
      done,
    );
    expect(got.usage).toMatchObject({ input_tokens: 0, output_tokens: reportedTokensMax });
  });

  test("text, parallel calls and usage", async () => {
    const got = await reply(
      chunk({ role: "assistant", content: "" }),
      ": a comment\n\n",
      chunk({ content: "Two " }),
      chunk({ content: "calls." }),
      call(0, { id: "call_1", type: "function", function: { name: "add", arguments: "" } }),
      call(1, { id: "call_2", type: "function", function: { name: "now", arguments: "" } }),
      call(0, { function: { arguments: '{"a": 1.50,' } }),
      call(0, { function: { arguments: ' "b": 2}' } }),
      chunk({}, "tool_calls"),
      usage({
        prompt_tokens: 200,
        completion_tokens: 9,
        total_tokens: 209,
        prompt_tokens_details: { cached_tokens: 128, cache_write_tokens: 64 },
      }),
      done,
    );
    expect(got.message).toBe(
      '{"role":"assistant","content":"Two calls.","tool_calls":[' +
        '{"id":"call_1","type":"function","function":{"name":"add","arguments":"{\\"a\\": 1.50, \\"b\\": 2}"}},' +
        '{"id":"call_2","type":"function","function":{"name":"now","arguments":"{}"}}]}',
    );
    expect(got.calls).toEqual([
      { id: "call_1", name: "add", arguments: '{"a": 1.50, "b": 2}' },
      { id: "call_2", name: "now", arguments: "{}" },
    ]);
    expect(got).toMatchObject({ text: "Two calls.", stop: "calls" });
    expect(got.usage).toEqual({ input_tokens: 200, output_tokens: 9, cache_read_tokens: 128, cache_write_tokens: 64 });
    const answers = ["call_1", "call_2"].map((tool_call_id) => ({ role: "tool", tool_call_id, content: "1" }));
    expect(checkMessages("openai", [{ role: "user", content: "go" }, JSON.parse(got.message), ...answers])).toEqual([]);
  });

  test("reasoning fields of a server, and a call's own extras, are kept to be sent back", async () => {
    const got = await reply(
      chunk({ role: "assistant", content: null, reasoning_content: "think " }),
      chunk({ reasoning_content: "twice", reasoning_details: [{ type: "t", text: "a" }] }),
      chunk({ reasoning_details: [{ type: "t", text: "b" }], annotations: [] }),
      call(0, {
        id: "call_1",
        type: "function",
        function: { name: "t", arguments: "{" },
        extra_content: { google: { thought_signature: "s" } },
      }),
      chunk({}, "tool_calls"),
      done,
    );
    expect(JSON.parse(got.message)).toEqual({
      role: "assistant",
      content: null,
      reasoning_content: "think twice",
      reasoning_details: [
        { type: "t", text: "a" },
        { type: "t", text: "b" },
      ],
      tool_calls: [
        {
          id: "call_1",
          type: "function",
          function: { name: "t", arguments: "{" },
          extra_content: { google: { thought_signature: "s" } },
        },
      ],
    });
    expect(got.text).toBe("");
    // Malformed arguments are the agent's to be told of.
    expect(got.calls[0]?.arguments).toBe("{");
    // The server reported no usage.
    expect(got.usage.input_tokens).toBeGreaterThan(0);
    expect(got.usage.output_tokens).toBe(Math.ceil(got.message.length / 4));
  });

  test("what a server leaves out of its usage is estimated, and what it says is nothing is nothing", async () => {
    const said = [chunk({ content: "hello" }), chunk({}, "stop")];
    const part = await reply(...said, usage({ total_tokens: 9, completion_tokens: 2 }), done);
    expect(part.usage.input_tokens).toBeGreaterThan(0);
    expect(part.usage.output_tokens).toBe(2);
    const nothing = await reply(...said, usage({ prompt_tokens: 0, completion_tokens: 0 }), done);
    expect(nothing.usage).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  });

  test("pieces without an id are of the last call that had their index", async () => {
    const named = (id: string, index = 0) => call(index, { id, function: { name: id, arguments: '{"of":' } });
    const rest = (id: string, index = 0) => call(index, { function: { arguments: `"${id}"}` } });
    const equal = [named("a"), rest("a"), named("b"), rest("b")];
    const mixed = [named("a"), named("b", 1), rest("a"), rest("b", 1)];
    for (const pieces of [equal, mixed]) {
      const { calls } = await reply(...pieces, chunk({}, "tool_calls"), done);
      expect(calls.map((one) => JSON.parse(one.arguments))).toEqual([{ of: "a" }, { of: "b" }]);
    }
  });

  test("parallel calls are told apart by their ids where indexes are equal or missing", async () => {
    const got = await reply(
      call(0, { id: "a", type: "function", function: { name: "x", arguments: '{"n":1}' } }),
      call(0, { id: "b", type: "function", function: { name: "y", arguments: '{"n":2}' } }),
      call(undefined, { id: "c", type: "function", function: { name: "z", arguments: { n: 3 } } }),
      chunk({}, "stop"),
      done,
    );
    expect(got.calls.map(({ id, name, arguments: text }) => [id, name, text])).toEqual([
      ["a", "x", '{"n":1}'],
      ["b", "y", '{"n":2}'],
      ["c", "z", '{"n":3}'],
    ]);
    expect(got.stop).toBe("calls");
  });

  test("parallel calls that share an id are told apart, or one of them would never be carried out", async () => {
    const got = await reply(
      call(0, { id: "call_x", type: "function", function: { name: "x", arguments: '{"n":1}' } }),
      call(1, { id: "call_x", type: "function", function: { name: "x", arguments: '{"n":2}' } }),
      chunk({}, "tool_calls"),
      done,
    );
    expect(got.calls.map((one) => one.arguments)).toEqual(['{"n":1}', '{"n":2}']);
    const [first, second] = got.calls.map(({ id }) => id);
    expect(first).toBe("call_x");
    expect(second).toMatch(/^call_[0-9a-f]{24}$/);
    expect(JSON.parse(got.message).tool_calls.map(({ id }: { id: string }) => id)).toEqual([first, second]);
  });

  test("a call without an id gets one", async () => {
    const got = await reply(call(0, { function: { name: "x", arguments: "{}" } }), chunk({}, "tool_calls"), done);
    expect(got.calls[0]?.id).toMatch(/^call_[0-9a-f]{24}$/);
    expect(JSON.parse(got.message).tool_calls[0].id).toBe(got.calls[0]?.id);
  });

  test.each([
    ["half of its arguments", { function: { name: "x", arguments: '{"n": ' } }],
    ["no arguments yet", { function: { name: "x" } }],
    ["a part of its text", { type: "custom", custom: { name: "x", input: "rm -r /" } }],
  ])("a call that was cut off with %s is left out, and those before it stay", async (_, cutOff) => {
    const whole = call(0, { id: "call_1", type: "function", function: { name: "x", arguments: '{"n":1}' } });
    for (const [reason, stop] of [
      ["length", "output_limit"],
      ["content_filter", "refusal"],
    ] as const) {
      const got = await reply(whole, call(1, { id: "call_2", ...cutOff }), chunk({}, reason), done);
      expect(got.stop).toBe(stop);
      expect(JSON.parse(got.message).tool_calls.map(({ id }: { id: string }) => id)).toEqual(["call_1"]);
      await served!.close();
    }
  });

  test.each([
    ["stop", { content: "x" }, "end"],
    ["length", { content: "x" }, "output_limit"],
    ["length", {}, "output_limit"],
    ["content_filter", {}, "refusal"],
    ["stop", { refusal: "I can't." }, "refusal"],
  ])("finish %s with %j is %s", async (finish, delta, expected) => {
    const got = await reply(chunk(delta), chunk({}, finish), done);
    expect(got.stop).toBe(expected);
    if ("refusal" in delta) {
      expect(got.text).toBe("I can't.");
      expect(JSON.parse(got.message)).toEqual({ role: "assistant", content: null, refusal: "I can't." });
    }
  });
});

describe("the request", () => {
  test("goes out with the stored bytes, usage asked for and the lineage's cache key", async () => {
    const { url, asked } = await answering(chunk({ content: "x" }, "stop"), done);
    const request = requestTo("openai", url, {
      system: '"be\\u0020brief"',
      tools: '[{"type":"function","function":{"name":"t","parameters":{"n":1.50}}}]',
      params:
        '{"temperature":0.10,"stream":false,"model":"other","stream_options":{"include_obfuscation":false,"include_usage":false}}',
      messages: ['{ "role":"user", "content":"caf\\u00e9" }'],
      marks: [{ message: 0, block: 0 }],
    });
    replyOf(await callOpenai(request));
    expect(asked[0]?.body).toBe(
      '{"model":"m-1","max_completion_tokens":1000,"temperature":0.10,"prompt_cache_key":"lineage-1","stream":true,' +
        '"stream_options":{"include_obfuscation":false,"include_usage":true},' +
        '"tools":[{"type":"function","function":{"name":"t","parameters":{"n":1.50}}}],' +
        '"messages":[{"role":"system","content":"be\\u0020brief"},{ "role":"user", "content":"caf\\u00e9" }]}',
    );
    expect(asked[0]?.path).toBe("/openai/v1/chat/completions");
    expect(asked[0]?.headers.get("authorization")).toBe(`Bearer ${key}`);
  });

  test.each([
    ['{"max_tokens":200}', { max_tokens: 200 }, ["max_completion_tokens"]],
    ['{"max_tokens":2000}', { max_tokens: 1000 }, ["max_completion_tokens"]],
    ['{"max_completion_tokens":50}', { max_completion_tokens: 50 }, ["max_tokens"]],
    ['{"max_completion_tokens":500,"max_tokens":60}', { max_completion_tokens: 60 }, ["max_tokens"]],
    ['{"max_tokens":null}', { max_completion_tokens: 1000 }, ["max_tokens"]],
    ['{"prompt_cache_key":"mine"}', { prompt_cache_key: "mine" }, ["max_tokens"]],
  ])("params %s", async (params, has, lacks) => {
    const { url, asked } = await answering(chunk({ content: "x" }, "stop"), done);
    replyOf(await callOpenai(requestTo("openai", url, { params })));
    const body = JSON.parse(asked[0]!.body);
    expect(body).toMatchObject(has);
    for (const name of lacks) expect(body).not.toHaveProperty(name);
  });
});

describe("what goes wrong", () => {
  test.each([
    ["cut", [chunk({ content: "x" })], true],
    ["ended before its finish", [chunk({ content: "x" }), done], false],
    ["empty, though it says that it calls", [chunk({ content: "" }), chunk({}, "tool_calls"), done], false],
    ["no JSON", ["data: {oops\n\n"], false],
  ])("a stream that is %s is a network fault", async (_, events, cut) => {
    served = await serve(async () => sse(events, { cut }));
    expect(faultOf(await callOpenai(requestTo("openai", served.url)))).toMatchObject({
      code: "network",
    });
  });

  test("a reply may say nothing, and is kept as a message that servers take back", async () => {
    for (const [delta, more] of [
      [{ content: "" }, {}],
      [{ content: " \n" }, {}],
      [{ content: "", reasoning_content: "Done." }, { reasoning_content: "Done." }],
    ]) {
      const said = await reply(chunk({ role: "assistant", ...delta }), chunk({}, "stop"), done);
      expect(said).toMatchObject({ stop: "end", text: "", calls: [] });
      expect(JSON.parse(said.message)).toEqual({ role: "assistant", content: "(no text)", ...more });
      await served!.close();
    }
  });

  test("a reply that nests deeper than a context takes is a network fault", async () => {
    const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
    const answers = (levels: number) => [chunk({ content: "x", reasoning_details: nested(levels) }), chunk({}, "stop")];
    expect((await reply(...answers(jsonDepthMax - 1), done)).text).toBe("x");
    await served!.close();
    const { url } = await answering(...answers(jsonDepthMax), done);
    expect(faultOf(await callOpenai(requestTo("openai", url)))).toMatchObject({ code: "network" });
  });

  test("calls are told apart however many there are", async () => {
    const count = 3000;
    const pieces = Array.from({ length: 2 * count }, (_, i) =>
      call(i % count, {
        ...(i < count && { id: `call_${i}` }),
        function: { name: i < count ? "t" : "", arguments: "1" },
      }),
    );
    const { calls } = await reply(...pieces, chunk({}, "tool_calls"), done);
    expect(calls).toEqual(Array.from({ length: count }, (_, i) => ({ id: `call_${i}`, name: "t", arguments: "11" })));
  });

  test("an error inside the stream is the provider's", async () => {
    const { url } = await answering(
      chunk({ content: "x" }),
      line({ error: { code: 502, message: "upstream is down" } }),
    );
    expect(faultOf(await callOpenai(requestTo("openai", url)))).toMatchObject({
      code: "provider_unavailable",
    });
  });

  test("a context that does not fit", async () => {
    const error = {
      message: "This model's maximum context length is 8192 tokens.",
      type: "invalid_request_error",
      code: "context_length_exceeded",
    };
    served = await serve(async () => Response.json({ error }, { status: 400 }));
    expect(faultOf(await callOpenai(requestTo("openai", served.url)))).toMatchObject({
      code: "context_too_long",
    });
    expect(served.asked).toHaveLength(1);
  });

  test("silence, and one's own abort", async () => {
    served = await serve(async () => new Response(new ReadableStream({})));
    expect(faultOf(await callOpenai(requestTo("openai", served.url), 100))).toMatchObject({ code: "provider_timeout" });
    const controller = new AbortController();
    const aborted = callOpenai(requestTo("openai", served.url, { signal: controller.signal }));
    await expect.poll(() => served?.asked.length).toBe(2);
    controller.abort(new Error("cancelled"));
    await expect(aborted).rejects.toThrow("cancelled");
  });
});
