import { afterEach, describe, expect, test } from "vitest";
import { callAnthropic } from "../../../src/agent/models/anthropic.ts";
import { toolCalls } from "../../../src/context/calls.ts";
import { checkMessages } from "../../../src/context/message-rules.ts";
import { reportedTokensMax } from "../../../src/limits.ts";
import { type Served, serve, sse } from "../../local/simulated/serve.ts";
import { faultOf, key, replyOf, requestTo, userText } from "./request.ts";

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

const event = (type: string, rest: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const start = (usage: object = { input_tokens: 7, output_tokens: 1 }) =>
  event("message_start", {
    message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], usage },
  });
const blockStart = (index: number, content_block: object) => event("content_block_start", { index, content_block });
const delta = (index: number, of: object) => event("content_block_delta", { index, delta: of });
const blockStop = (index: number) => event("content_block_stop", { index });
const end = (stop_reason: string, usage: object = { output_tokens: 5 }) =>
  event("message_delta", { delta: { stop_reason, stop_sequence: null }, usage });
const stop = event("message_stop");
const text = (index: number, ...pieces: string[]) => [
  blockStart(index, { type: "text", text: "", citations: null }),
  ...pieces.map((piece) => delta(index, { type: "text_delta", text: piece })),
  blockStop(index),
];

async function answering(response: () => Response): Promise<Served> {
  served = await serve(async () => response());
  return served;
}

describe("the reply", () => {
  test("thinking, its signature, redacted thinking, text and calls come back as the vendor takes them", async () => {
    const { url } = await answering(() =>
      sse([
        start({ input_tokens: 7, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 1 }),
        event("ping"),
        blockStart(0, { type: "thinking", thinking: "", signature: "" }),
        delta(0, { type: "thinking_delta", thinking: "Let me " }),
        delta(0, { type: "thinking_delta", thinking: "see." }),
        delta(0, { type: "signature_delta", signature: "c2ln" }),
        blockStop(0),
        blockStart(1, { type: "redacted_thinking", data: "b3BhcXVl" }),
        blockStop(1),
        ...text(2, "Two ", "calls."),
        blockStart(3, { type: "tool_use", id: "toolu_1", name: "add", input: {} }),
        delta(3, { type: "input_json_delta", partial_json: '{"z": 1.50, "9": 1, ' }),
        delta(3, { type: "input_json_delta", partial_json: '"n": 12345678901234567890}' }),
        blockStop(3),
        blockStart(4, { type: "tool_use", id: "toolu_2", name: "now", input: {} }),
        blockStop(4),
        end("tool_use", { output_tokens: 42 }),
        stop,
      ]),
    );
    const reply = replyOf(await callAnthropic(requestTo("anthropic", url)));
    expect(reply.message).toBe(
      '{"role":"assistant","content":[{"type":"thinking","thinking":"Let me see.","signature":"c2ln"},' +
        '{"type":"redacted_thinking","data":"b3BhcXVl"},{"type":"text","text":"Two calls.","citations":null},' +
        '{"type":"tool_use","id":"toolu_1","name":"add","input":{"z": 1.50, "9": 1, "n": 12345678901234567890}},' +
        '{"type":"tool_use","id":"toolu_2","name":"now","input":{}}]}',
    );
    expect(reply.text).toBe("Two calls.");
    expect(reply.calls).toEqual([
      { id: "toolu_1", name: "add", arguments: '{"z": 1.50, "9": 1, "n": 12345678901234567890}' },
      { id: "toolu_2", name: "now", arguments: "{}" },
    ]);
    expect(reply.stop).toBe("calls");
    expect(reply.usage).toEqual({
      input_tokens: 127,
      output_tokens: 42,
      cache_read_tokens: 100,
      cache_write_tokens: 20,
    });
    const answers = ["toolu_1", "toolu_2"].map((tool_use_id) => ({ type: "tool_result", tool_use_id, content: "1" }));
    const next = [{ role: "user", content: "go" }, JSON.parse(reply.message), { role: "user", content: answers }];
    expect(checkMessages("anthropic", next)).toEqual([]);
  });

  test("counts that no call can have used give nothing back, and stay numbers that add up", async () => {
    const absurd = { input_tokens: -1_000_000, output_tokens: 0, cache_read_input_tokens: 1e300 };
    const { url } = await answering(() =>
      sse([start(absurd), ...text(0, "x"), end("end_turn", { output_tokens: 2.5, input_tokens: -7 }), stop]),
    );
    expect(replyOf(await callAnthropic(requestTo("anthropic", url))).usage).toEqual({
      input_tokens: reportedTokensMax,
      output_tokens: 3,
      cache_read_tokens: reportedTokensMax,
      cache_write_tokens: 0,
    });
  });

  test.each([
    ["nothing", {}, {}, { input_tokens: 10, output_tokens: 19, cache_read_tokens: 0, cache_write_tokens: 0 }],
    ["its output alone", {}, { output_tokens: 5 }, { input_tokens: 10, output_tokens: 5 }],
    ["what it read from a cache", { cache_read_input_tokens: 90 }, {}, { input_tokens: 90, cache_read_tokens: 90 }],
    ["no use at all", { input_tokens: 0, output_tokens: 0 }, {}, { input_tokens: 0, output_tokens: 0 }],
  ])("of a server that counts %s the rest is estimated", async (_, first, last, expected) => {
    const { url } = await answering(() => sse([start(first), ...text(0, "x"), end("end_turn", last), stop]));
    const request = requestTo("anthropic", url, { messages: [userText("a")], tools: "[]".padEnd(10) });
    const { usage, message } = replyOf(await callAnthropic(request));
    const chars = request.messages[0]!.length + 10;
    expect([Math.ceil(chars / 4), Math.ceil(message.length / 4)]).toEqual([10, 19]);
    expect(usage).toMatchObject(expected);
  });

  test.each([
    ['{"a": ', "max_tokens", "output_limit"],
    ["", "max_tokens", "output_limit"],
    ['{"a": ', "refusal", "refusal"],
    ["", "refusal", "refusal"],
  ])(
    "blocks that the vendor would not take back are left out, and a call that was cut at %j by its %s",
    async (half, reason, expected) => {
      const whole = { type: "tool_use", id: "toolu_1", name: "now", input: {} };
      const { url } = await answering(() =>
        sse([
          start(),
          ...text(0, "\n"),
          ...text(1, "half of a call"),
          blockStart(2, whole),
          blockStop(2),
          blockStart(3, { type: "tool_use", id: "toolu_2", name: "add", input: {} }),
          delta(3, { type: "input_json_delta", partial_json: half }),
          blockStop(3),
          end(reason),
          stop,
        ]),
      );
      const reply = replyOf(await callAnthropic(requestTo("anthropic", url)));
      const said = { type: "text", text: "half of a call", citations: null };
      expect(JSON.parse(reply.message).content).toEqual([said, whole]);
      expect(reply).toMatchObject({ stop: expected, calls: [{ id: "toolu_1", arguments: "{}" }] });
    },
  );

  test.each([
    ["is not signed yet", "", []],
    ["is signed", "c2ln", ["thinking", "text"]],
  ])(
    "thinking that %s when the output limit cuts it off is no end that the vendor takes back",
    async (_, signature, last) => {
      const thinking = (index: number, signed: string) => [
        blockStart(index, { type: "thinking", thinking: "", signature: "" }),
        delta(index, { type: "thinking_delta", thinking: "Let me" }),
        ...(signed === "" ? [] : [delta(index, { type: "signature_delta", signature: signed })]),
        blockStop(index),
      ];
      for (const first of [[], ["thinking", "text"]]) {
        const begun = first.length === 0 ? [] : [...thinking(0, "c2ln"), ...text(1, "I look.")];
        const { url, close } = await answering(() =>
          sse([start(), ...begun, ...thinking(first.length, signature), end("max_tokens"), stop]),
        );
        const reply = replyOf(await callAnthropic(requestTo("anthropic", url)));
        const content = JSON.parse(reply.message).content as { type: string }[];
        const types = [...first, ...last];
        expect(content.map(({ type }) => type)).toEqual(types.length === 0 ? ["text"] : types);
        const next = [{ role: "user", content: "go" }, JSON.parse(reply.message), { role: "user", content: "and?" }];
        expect(checkMessages("anthropic", next)).toEqual([]);
        await close();
      }
    },
  );

  test.each([
    ["end_turn", "end"],
    ["stop_sequence", "end"],
    ["max_tokens", "output_limit"],
    ["model_context_window_exceeded", "window"],
    ["pause_turn", "paused"],
    ["compaction", "paused"],
    ["refusal", "refusal"],
  ])("stop reason %s is %s", async (reason, expected) => {
    const { url } = await answering(() => sse([start(), ...text(0, "x"), end(reason), stop]));
    expect(replyOf(await callAnthropic(requestTo("anthropic", url))).stop).toBe(expected);
  });

  test.each(["end_turn", "stop_sequence"])(
    "may say nothing at its %s, and is kept as a message that the vendor takes back",
    async (reason) => {
      const thinking = [blockStart(0, { type: "thinking", thinking: "Done.", signature: "c2ln" }), blockStop(0)];
      for (const blocks of [[], thinking, text(0, " \n")]) {
        const { url, close } = await answering(() => sse([start(), ...blocks, end(reason), stop]));
        const reply = replyOf(await callAnthropic(requestTo("anthropic", url)));
        expect(reply).toMatchObject({ stop: "end", text: "", calls: [], usage: { input_tokens: 7, output_tokens: 5 } });
        const next = [{ role: "user", content: "go" }, JSON.parse(reply.message), { role: "user", content: "and?" }];
        expect(checkMessages("anthropic", next)).toEqual([]);
        await close();
      }
    },
  );

  test("calls that a server gives one id, or none, each have their own", async () => {
    const call = (index: number, id: object) => [
      blockStart(index, { type: "tool_use", ...id, name: "add", input: {} }),
      delta(index, { type: "input_json_delta", partial_json: `{"n": ${index}}` }),
      blockStop(index),
    ];
    const { url } = await answering(() =>
      sse([
        start(),
        ...call(0, { id: "call_1" }),
        ...call(1, { id: "call_1" }),
        ...call(2, {}),
        ...call(3, { id: "" }),
        ...call(4, { id: "call_2" }),
        end("tool_use"),
        stop,
      ]),
    );
    const { calls, message } = replyOf(await callAnthropic(requestTo("anthropic", url)));
    const ids = calls.map(({ id }) => id);
    expect([ids[0], ids[4], new Set(ids).size]).toEqual(["call_1", "call_2", 5]);
    expect(calls.map((one) => one.arguments)).toEqual([0, 1, 2, 3, 4].map((n) => `{"n": ${n}}`));
    expect(toolCalls("anthropic", message)).toEqual(calls);
    const answers = ids.map((tool_use_id) => ({ type: "tool_result", tool_use_id, content: "1" }));
    const next = [{ role: "user", content: "go" }, JSON.parse(message), { role: "user", content: answers }];
    expect(checkMessages("anthropic", next)).toEqual([]);
  });

  test("is told of once when it begins: with its first event, not with a ping, and not where nothing comes", async () => {
    const began: number[] = [];
    const encoder = new TextEncoder();
    const parts = [event("ping"), event("ping"), start(), ...text(0, "one"), end("end_turn"), stop];
    let sent = 0;
    const body = () =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          controller.enqueue(encoder.encode(parts[sent++]));
          if (sent === parts.length) controller.close();
        },
      });
    const onBegin = () => began.push(sent);
    const { url } = await answering(() => new Response(body(), { headers: { "content-type": "text/event-stream" } }));
    expect(replyOf(await callAnthropic(requestTo("anthropic", url, { onBegin }))).text).toBe("one");
    expect(began).toHaveLength(1);
    expect(began[0]).toBeGreaterThanOrEqual(3);
    await served!.close();
    const failing = await answering(() =>
      sse([event("error", { error: { type: "overloaded_error", message: "busy" } })]),
    );
    faultOf(await callAnthropic(requestTo("anthropic", failing.url, { onBegin })));
    expect(began).toHaveLength(1);
  });

  test("a kind of delta that is not known yet grows its block's strings", async () => {
    const { url } = await answering(() =>
      sse([
        start(),
        blockStart(0, { type: "compaction", content: "" }),
        delta(0, { type: "compaction_delta", content: "sum" }),
        delta(0, { type: "compaction_delta", content: "mary" }),
        blockStop(0),
        ...text(1, "x"),
        end("end_turn"),
        stop,
      ]),
    );
    const { message } = replyOf(await callAnthropic(requestTo("anthropic", url)));
    expect(JSON.parse(message).content[0]).toEqual({ type: "compaction", content: "summary" });
  });
});

/** How long the mark of a message's last block lasts. */
function timeOf(message: unknown): string | undefined {
  const { content } = message as { content: string | { cache_control?: { ttl?: string } }[] };
  const mark = typeof content === "string" ? undefined : content.at(-1)?.cache_control;
  return mark && (mark.ttl ?? "5m");
}

describe("the request", () => {
  test("goes out with the stored bytes, marks spliced in, and without a word of the SDK in the body", async () => {
    const { url, asked } = await answering(() => sse([start(), ...text(0, "x"), end("end_turn"), stop]));
    const first = '{ "role":"user", "content":"caf\\u00e9 1.0" }';
    const request = requestTo("anthropic", url, {
      system: '[{"type":"text","text":"be\\u0020brief"}]',
      tools: '[{"name":"t","input_schema":{"type":"object","n":1.50}}]',
      params:
        '{"temperature":0.10,"betas":["b-1","b-2"],"model":"other","messages":[],"stream":false,"max_tokens":300,"big":12345678901234567890}',
      messages: [first],
      marks: [{ message: 0, block: 0 }],
    });
    replyOf(await callAnthropic(request));
    expect(asked[0]?.body).toBe(
      '{"model":"m-1","max_tokens":300,"temperature":0.10,"big":12345678901234567890,"stream":true,' +
        '"system":[{"type":"text","text":"be\\u0020brief"}],"tools":[{"name":"t","input_schema":{"type":"object","n":1.50}}],' +
        '"messages":[{ "role":"user", "content":[{"type":"text","text":"caf\\u00e9 1.0","cache_control":{"type":"ephemeral"}}] }]}',
    );
    const { headers, path } = asked[0]!;
    expect(path).toBe("/anthropic/v1/messages");
    expect(headers.get("anthropic-beta")).toBe("b-1,b-2");
    expect(headers.get("authorization")).toBe(`Bearer ${key}`);
    expect(headers.get("anthropic-version")).toMatch(/^\d{4}-/);
    expect(headers.get("x-heddle-task")).toBeNull();
  });

  test("the lower output limit holds, an empty tool list is not sent, and our newest marks take what room the context leaves", async () => {
    const { url, asked } = await answering(() => sse([start(), ...text(0, "x"), end("end_turn"), stop]));
    const marked = '{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}';
    const request = requestTo("anthropic", url, {
      params: '{"max_tokens":5000}',
      tools: "[ ]",
      messages: [marked, marked, marked, userText("b"), userText("c")],
      marks: [3, 4].map((message) => ({ message, block: 0 })),
      provider: { name: "simulated" },
    });
    replyOf(await callAnthropic(request));
    const body = JSON.parse(asked[0]!.body);
    expect(body.max_tokens).toBe(1000);
    expect(body).not.toHaveProperty("tools");
    expect(body.messages[3].content).toBe("b");
    expect(body.messages[4].content[0].cache_control).toEqual({ type: "ephemeral" });
    expect(asked[0]?.headers.get("x-heddle-task")).toBe("T1-aaaaaa");
  });

  test.each([
    ["fits", 5000, 4000, undefined, '{ "type":"enabled", "budget_tokens":4000 }'],
    ["does not fit", 4000, 4000, undefined, '{ "type":"enabled", "budget_tokens":2000 }'],
    ["has hardly room", 1100, 4000, undefined, '{ "type":"enabled", "budget_tokens":1024 }'],
    ["has no room", 1024, 4000, undefined, '{"type":"disabled"}'],
    ["is interleaved", 1024, 4000, ["interleaved-thinking-2025-05-14"], '{ "type":"enabled", "budget_tokens":4000 }'],
  ])(
    "thinking that %s in what is left of the tokens leaves room for an answer",
    async (_, left, budget, betas, sent) => {
      const { url, asked } = await answering(() => sse([start(), ...text(0, "x"), end("end_turn"), stop]));
      const thinking = `{ "type":"enabled", "budget_tokens":${budget} }`;
      const params = `{"max_tokens":20000,"thinking":${thinking}${betas ? `,"betas":${JSON.stringify(betas)}` : ""}}`;
      replyOf(await callAnthropic(requestTo("anthropic", url, { params, maxOutputTokens: left })));
      expect(asked[0]!.body).toContain(`"thinking":${sent},`);
      expect(JSON.parse(asked[0]!.body).max_tokens).toBe(left);
    },
  );

  test("our marks last as long as those of the context that follow, which the vendor asks for", async () => {
    const { url, asked } = await answering(() => sse([start(), ...text(0, "x"), end("end_turn"), stop]));
    const hour =
      '{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}';
    const marks = [0, 2].map((message) => ({ message, block: -1 }));
    const messages = [userText("b"), hour, userText("c")];
    const params = '{"cache_control":{"type":"ephemeral", "ttl": "1h"}}';
    const tools = '[{"name":"t","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral","ttl":"1h"}}]';
    for (const given of [
      { messages },
      { messages, params },
      { messages: [userText("b"), userText("c")], params },
      { tools },
    ])
      replyOf(await callAnthropic(requestTo("anthropic", url, { ...given, marks })));
    const times = asked.map(({ body }) => (JSON.parse(body) as { messages: unknown[] }).messages.map(timeOf));
    expect(times).toEqual([["1h", "1h", "5m"], ["1h", "1h", "1h"], ["1h", undefined], ["5m"]]);
  });

  test("betas that are no names are refused before anything is sent", async () => {
    const { url, asked } = await answering(() => sse([]));
    const outcome = await callAnthropic(requestTo("anthropic", url, { params: '{"betas":["a\\r\\nx: y"]}' }));
    expect(faultOf(outcome)).toMatchObject({ code: "provider_rejected" });
    expect(asked).toEqual([]);
  });
});

describe("what goes wrong", () => {
  test.each([
    [
      "in the middle of a block",
      [start(), blockStart(0, { type: "text", text: "" }), delta(0, { type: "text_delta", text: "x" })],
      true,
    ],
    ["cleanly, before the message's end", [start(), ...text(0, "x")], false],
    ["with nothing said where it was to call", [start(), end("tool_use"), stop], false],
    ["with nothing said where it was paused", [start(), end("pause_turn"), stop], false],
    ["before it began", [], false],
    ["with a block that was never started", [start(), delta(3, { type: "text_delta", text: "x" })], false],
    ["with a line that is no JSON", [start(), "event: content_block_start\ndata: {oops\n\n"], false],
    [
      "with a call whose input is no JSON",
      [
        start(),
        blockStart(0, { type: "tool_use", id: "toolu_1", name: "t", input: {} }),
        delta(0, { type: "input_json_delta", partial_json: "{" }),
        end("tool_use"),
        stop,
      ],
      false,
    ],
  ])("a stream that ends %s is a network fault", async (_, events, cut) => {
    const { url } = await answering(() => sse(events, { cut }));
    expect(faultOf(await callAnthropic(requestTo("anthropic", url)))).toMatchObject({
      code: "network",
    });
  });

  test("an error event inside the stream is the provider's", async () => {
    const error = (type: string) =>
      `event: error\ndata: ${JSON.stringify({ type: "error", error: { type, message: "no" } })}\n\n`;
    const served1 = await answering(() => sse([start(), error("overloaded_error")]));
    expect(faultOf(await callAnthropic(requestTo("anthropic", served1.url)))).toMatchObject({
      code: "provider_overloaded",
    });
    await served1.close();
    const served2 = await answering(() => sse([start(), error("invalid_request_error")]));
    expect(faultOf(await callAnthropic(requestTo("anthropic", served2.url)))).toMatchObject({
      code: "provider_rejected",
    });
  });

  test("is asked for once: retries are the scheduler's", async () => {
    const { url, asked } = await answering(() =>
      Response.json(
        { type: "error", error: { type: "rate_limit_error", message: "slow down" } },
        { status: 429, headers: { "retry-after": "7" } },
      ),
    );
    expect(faultOf(await callAnthropic(requestTo("anthropic", url)))).toEqual({
      code: "provider_rate_limited",
      message: "429 slow down",
      retryAfterMs: 7000,
    });
    expect(asked).toHaveLength(1);
  });

  test("a key that the provider echoes does not reach the message", async () => {
    const { url } = await answering(() =>
      Response.json(
        { type: "error", error: { type: "authentication_error", message: `bad key ${key}` } },
        { status: 401 },
      ),
    );
    const fault = faultOf(await callAnthropic(requestTo("anthropic", url)));
    expect(fault).toMatchObject({ code: "provider_auth", message: "401 bad key [key]" });
  });

  test("a redirect is not followed", async () => {
    const { url, asked } = await answering(
      () => new Response(null, { status: 307, headers: { location: "/elsewhere" } }),
    );
    expect(faultOf(await callAnthropic(requestTo("anthropic", url)))).toMatchObject({ code: "provider_rejected" });
    expect(asked).toHaveLength(1);
  });

  test("nobody there is a network fault", async () => {
    const { url, close } = await answering(() => sse([]));
    await close();
    expect(faultOf(await callAnthropic(requestTo("anthropic", url)))).toMatchObject({
      code: "network",
    });
  });

  test("a reply that is not whole when its seat has to go ends as a timeout, and the connection with it", async () => {
    const encoder = new TextEncoder();
    let pings: ReturnType<typeof setInterval> | undefined;
    const endless = await serve(
      async () =>
        new Response(
          new ReadableStream<Uint8Array>({
            start: (c) => {
              c.enqueue(encoder.encode(start()));
              pings = setInterval(() => c.enqueue(encoder.encode('event: ping\ndata: {"type":"ping"}\n\n')), 20);
            },
            cancel: () => clearInterval(pings),
          }),
        ),
    );
    served = endless;
    const request = requestTo("anthropic", endless.url, { until: Date.now() + 200 });
    const fault = faultOf(await callAnthropic(request, 1000));
    clearInterval(pings);
    expect(fault).toMatchObject({
      code: "provider_timeout",
      message: expect.stringContaining("a seat lasts no longer"),
    });
    await expect.poll(() => endless.asked[0]?.aborted).toBe(true);
  });

  test("silence ends the call and the connection; bytes that the SDK hides count as life", async () => {
    const silent = await serve(
      async () => new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(start())) })),
    );
    served = silent;
    const fault = faultOf(await callAnthropic(requestTo("anthropic", silent.url), 150));
    expect(fault).toMatchObject({ code: "provider_timeout" });
    expect(fault.message).toMatch(/sent nothing/);
    await expect.poll(() => silent.asked[0]?.aborted).toBe(true);
    await silent.close();

    let pings = 0;
    const slow = await serve(async () => {
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 60));
          if (++pings <= 6) return controller.enqueue(encoder.encode(event("ping")));
          controller.enqueue(encoder.encode([start(), ...text(0, "at last"), end("end_turn"), stop].join("")));
          controller.close();
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    served = slow;
    expect(replyOf(await callAnthropic(requestTo("anthropic", slow.url), 250)).text).toBe("at last");
  });

  test("one's own abort rejects with its reason, before and during the call", async () => {
    const { url, asked } = await answering(() => new Response(new ReadableStream({})));
    const reason = new Error("lease lost");
    await expect(callAnthropic(requestTo("anthropic", url, { signal: AbortSignal.abort(reason) }))).rejects.toBe(
      reason,
    );
    expect(asked).toEqual([]);
    const controller = new AbortController();
    const call = callAnthropic(requestTo("anthropic", url, { signal: controller.signal }));
    await expect.poll(() => asked.length).toBe(1);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect.poll(() => asked[0]?.aborted).toBe(true);
  });
});
