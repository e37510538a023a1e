import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { toResponseInputItems } from "openai/lib/responses/ResponseInputItems";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { callModel } from "../../../src/agent/models/index.ts";
import { compact } from "../../../src/context/compaction.ts";
import { forkByCall, forkText } from "../../../src/context/fork.ts";
import type { Format } from "../../../src/context/types.ts";
import { simulatedRetryAfterS } from "../../../src/limits.ts";
import { faultOf, type Given, key, replyOf, requestTo, userText } from "../../agent/models/request.ts";
import { calling, results, sim, user } from "./script.ts";
import { type Served, serveSimulated } from "./serve.ts";

let served: Served;
beforeEach(async () => {
  served = await serveSimulated();
});
afterEach(() => served.close());

const formats: readonly Format[] = ["anthropic", "openai"];

/** As a seat asks: the real adapter, told to use the simulated provider. */
function ask(format: Format, messages: readonly object[], given: Given = {}) {
  const baseUrl = `${served.url}/simulated/${format === "anthropic" ? "anthropic" : "openai/v1"}`;
  return callModel(
    requestTo(format, served.url, {
      messages: messages.map((message) => JSON.stringify(message)),
      ...given,
      provider: { name: "simulated", baseUrl, apiKey: "simulated" },
    }),
  );
}

const task = (instructions: string, taskId = "T1-aaaaaa") =>
  user(forkText({ taskId, viaCall: false, results: "", instructions }));

describe.each(formats)("%s, through the adapter", (format) => {
  test("turns are played in order, with parallel calls, templates and ids that never repeat", async () => {
    const script = {
      turns: [
        { text: "Both.", calls: [{ tool: "lock", arguments: { op: "acquire", name: "l" } }, { tool: "now" }] },
        {
          calls: [
            {
              tool: "lock",
              arguments: { op: "release", token: "{{1.0.token}}", note: "was {{1.0.token}} at {{1.1}}" },
            },
          ],
        },
        { text: "released {{1.0.token}} {{2.0.nope}}" },
      ],
    };
    const messages: object[] = [task(sim(script))];
    const first = replyOf(await ask(format, messages));
    expect(first).toMatchObject({ text: "Both.", stop: "calls" });
    expect(first.calls.map(({ name, arguments: text }) => [name, JSON.parse(text)])).toEqual([
      ["lock", { op: "acquire", name: "l" }],
      ["now", {}],
    ]);
    const [lock, now] = first.calls;
    messages.push(JSON.parse(first.message), ...results(format, { [now!.id]: "noon", [lock!.id]: '{"token": 41}' }));
    const second = replyOf(await ask(format, messages));
    expect(second.text).toBe("");
    expect(JSON.parse(second.calls[0]!.arguments)).toEqual({ op: "release", token: 41, note: "was 41 at noon" });
    expect(new Set([...first.calls, ...second.calls].map(({ id }) => id)).size).toBe(3);
    messages.push(JSON.parse(second.message), ...results(format, { [second.calls[0]!.id]: "{}" }));
    const third = replyOf(await ask(format, messages));
    expect(third).toMatchObject({ text: "released 41 {{2.0.nope}}", stop: "end", calls: [] });
    messages.push(JSON.parse(third.message), user("and now?"));
    const past = replyOf(await ask(format, messages));
    expect(past.text).toMatch(/^This reply is simulated: [^\n]*turn 4 is past the 3[^\n]*$/);
    // The same request gives the same reply: a resumed attempt repeats it.
    expect(replyOf(await ask(format, messages.slice(0, 1))).message).toBe(first.message);
  });

  test("a fork through one of two parallel calls plays its own script, and passes the rules", async () => {
    const parent = { turns: [{ text: "fork", calls: [{ tool: "create_task" }, { tool: "create_task" }] }] };
    const root = task(sim(parent));
    const reply = replyOf(await ask(format, [root]));
    const child = forkByCall(
      format,
      reply.message,
      reply.calls[0]!.id,
      forkText({
        taskId: "T2-aaaaaa",
        viaCall: true,
        results: "",
        instructions: `do it\n${sim({ turns: [{ text: "child" }] })}`,
      }),
    );
    const messages = [JSON.stringify(root), reply.message, ...child.messages];
    expect(replyOf(await ask(format, [], { messages, taskId: "T2-aaaaaa" })).text).toBe("child");
    expect(replyOf(await ask(format, [], { messages, taskId: "T9-aaaaaa" })).text).toMatch(
      /simulated: no ```sim block/,
    );
  });

  test("tokens are characters ÷ 4 unless the script says otherwise", async () => {
    const text = "x".repeat(400);
    const plain = replyOf(await ask(format, [task(sim({ turns: [{ text }] }))]));
    expect(plain.usage.output_tokens).toBe(100);
    const chars = String(task(sim({ turns: [{ text }] })).content).length;
    expect(plain.usage.input_tokens).toBe(Math.ceil(chars / 4));
    const said = replyOf(await ask(format, [task(sim({ turns: [{ text, usage: { input: 9000, output: 7 } }] }))]));
    expect(said.usage).toMatchObject({ input_tokens: 9000, output_tokens: 7 });
  });

  test("a shared prefix is reported as read", async () => {
    const shared = user(`${format} ${"abcd".repeat(3000)}`);
    const given = { marks: [{ message: 0, block: 0 }] };
    const first = replyOf(await ask(format, [shared, task("one")], given));
    expect(first.usage.cache_read_tokens).toBe(0);
    expect(first.usage.cache_write_tokens).toBeGreaterThan(2900);
    const second = replyOf(await ask(format, [shared, task("two, which is another")], given));
    expect(second.usage.cache_read_tokens).toBeGreaterThan(2900);
    expect(second.usage.cache_read_tokens + second.usage.cache_write_tokens).toBeLessThanOrEqual(
      second.usage.input_tokens,
    );
  });

  test("stream_ms spreads a reply over its time; its text is told as it comes, and calls are no text", async () => {
    const script = { turns: [{ text: "so far so good", stream_ms: 300, calls: [{ tool: "now" }] }] };
    const told: { text: string; at: number }[] = [];
    const started = Date.now();
    const onText = (text: string) => void told.push({ text, at: Date.now() - started });
    const reply = replyOf(await ask(format, [task(sim(script))], { onText }));
    expect(told.length).toBeGreaterThan(1);
    expect(told.map(({ text }) => text).join("")).toBe("so far so good");
    expect(reply.text).toBe("so far so good");
    expect(Date.now() - started).toBeGreaterThanOrEqual(200);
    expect(told.at(-1)!.at).toBeGreaterThan(told[0]!.at);
  });

  test("a prompt beyond the window is refused in the vendor's words; a note of what was left out moves the script on", async () => {
    const script = sim({ window: 400, turns: [{ text: "one" }, { text: "two" }, { text: "three" }] });
    const [start, second] = [task(script), { role: "assistant", content: "one" }];
    expect(replyOf(await ask(format, [start])).text).toBe("one");
    const long = await ask(format, [start, second, user("and ".repeat(400))]);
    expect(faultOf(long)).toMatchObject({ code: "context_too_long" });
    expect(faultOf(long).message).toMatch(
      format === "anthropic" ? /prompt is too long: \d+ tokens > 400/ : /400 tokens/,
    );
    const fork = { own: 0, forkCount: 1, viaCall: false, gone: undefined };
    const messages = [start, second, user("q"), { role: "assistant", content: "two" }, user("q")].map((one) =>
      JSON.stringify(one),
    );
    const shorter = compact(format, { messages, ...fork }, 1)!;
    expect(shorter.gone).toEqual({ dropped: 1, replies: 1 });
    expect(
      replyOf(
        await ask(
          format,
          shorter.messages.map((one) => JSON.parse(one)),
        ),
      ).text,
    ).toBe("three");
  });

  test("fail answers its status the first times, over restarts, for each turn and task apart", async () => {
    const seen = new Map<string, number>();
    await served.close();
    served = await serveSimulated(seen);
    const script = sim({
      turns: [
        { text: "a", fail: { status: 429, times: 2 } },
        { text: "b", fail: { status: 529, times: 1 } },
      ],
    });
    const limited = faultOf(await ask(format, [task(script)]));
    expect(limited).toMatchObject({
      code: "provider_rate_limited",
      retryAfterMs: simulatedRetryAfterS * 1000,
    });
    expect(faultOf(await ask(format, [task(script, "T2-aaaaaa")], { taskId: "T2-aaaaaa" }))).toMatchObject({
      code: "provider_rate_limited",
    });
    await served.close();
    served = await serveSimulated(seen);
    expect(faultOf(await ask(format, [task(script)])).code).toBe("provider_rate_limited");
    const reply = replyOf(await ask(format, [task(script)]));
    expect(reply.text).toBe("a");
    const next = [task(script), JSON.parse(reply.message), user("go on")];
    expect(faultOf(await ask(format, next))).toMatchObject({ code: "provider_overloaded" });
    expect(replyOf(await ask(format, next)).text).toBe("b");
  });

  test("messages that the vendor would refuse are refused", async () => {
    const messages = [task("x"), calling(format, "call_1")];
    const fault = faultOf(await ask(format, [...messages, user("no answer to the call")]));
    expect(fault).toMatchObject({ code: "provider_rejected" });
    expect(fault.message).toMatch(/^400 messages\[/);
  });

  test.each([
    ["{oops", /is not JSON/],
    ['{"turns": 5}', /malformed: turns/],
    ['{"turns": [{"txt": "x"}]}', /malformed: turns\.0/],
    ['{"turns": [{"fail": {"status": 200, "times": 1}}]}', /turns\.0\.fail\.status/],
  ])("the block %s is refused with what is wrong", async (body, message) => {
    const fault = faultOf(await ask(format, [task(sim(body))]));
    expect(fault).toMatchObject({ code: "provider_rejected" });
    expect(fault.message).toMatch(message);
  });

  test("latency_ms is waited for, the turn's over the script's, and ends with the request", async () => {
    const script = sim({ latency_ms: 60_000, turns: [{ text: "x", latency_ms: 80 }, { text: "never" }] });
    const before = performance.now();
    const reply = replyOf(await ask(format, [task(script)]));
    expect(performance.now() - before).toBeGreaterThanOrEqual(79);
    const controller = new AbortController();
    const call = ask(format, [task(script), JSON.parse(reply.message), user("go on")], { signal: controller.signal });
    await expect.poll(() => served.asked.length).toBe(2);
    controller.abort(new Error("lease lost"));
    await expect(call).rejects.toThrow("lease lost");
    await expect.poll(() => served.asked[1]?.aborted).toBe(true);
  });
});

describe("the vendors' own SDKs", () => {
  const anthropic = () => new Anthropic({ baseURL: `${served.url}/simulated/anthropic`, apiKey: key, maxRetries: 0 });
  const openai = () => new OpenAI({ baseURL: `${served.url}/simulated/openai/v1`, apiKey: key, maxRetries: 0 });
  const script = sim({
    turns: [{ text: "Grüße 🧵 to all", calls: [{ tool: "add", arguments: { a: [1, 2.5], "b c": null } }] }],
  });

  test("Anthropic, streamed and not", async () => {
    const params = { model: "claude-x", max_tokens: 100, messages: [{ role: "user" as const, content: script }] };
    const texts: string[] = [];
    const stream = anthropic()
      .messages.stream(params)
      .on("text", (text) => texts.push(text));
    const streamed = await stream.finalMessage();
    const whole = await anthropic().messages.create(params);
    expect(streamed.content).toEqual([
      { type: "text", text: "Grüße 🧵 to all" },
      { type: "tool_use", id: expect.stringMatching(/^toolu_sim_/), name: "add", input: { a: [1, 2.5], "b c": null } },
    ]);
    expect(texts.length).toBeGreaterThan(1);
    expect(whole.content).toEqual(streamed.content);
    expect(whole).toMatchObject({
      type: "message",
      role: "assistant",
      model: "claude-x",
      stop_reason: "tool_use",
      id: streamed.id,
    });
    expect(streamed.stop_reason).toBe("tool_use");
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(whole._request_id).toMatch(/^req_/);
  });

  test("OpenAI, streamed and not", async () => {
    const params = { model: "gpt-x", messages: [{ role: "user" as const, content: script }] };
    const chunks: string[] = [];
    const stream = openai()
      .chat.completions.stream({ ...params, stream_options: { include_usage: true } })
      .on("content", (delta) => chunks.push(delta));
    const streamed = await stream.finalChatCompletion();
    const whole = await openai().chat.completions.create(params);
    const message = { role: "assistant", content: "Grüße 🧵 to all", refusal: null };
    const call = {
      id: expect.stringMatching(/^call_sim_/),
      type: "function",
      function: { name: "add", arguments: '{"a":[1,2.5],"b c":null}' },
    };
    expect(streamed.choices[0]?.message).toMatchObject({ ...message, tool_calls: [call] });
    expect(chunks.length).toBeGreaterThan(1);
    expect(whole.choices[0]).toMatchObject({
      index: 0,
      finish_reason: "tool_calls",
      message: { ...message, tool_calls: [call] },
    });
    expect(streamed.usage).toEqual(whole.usage);
    expect(streamed.choices[0]?.finish_reason).toBe("tool_calls");
    const plain = await openai().chat.completions.create({ ...params, stream: true });
    for await (const chunk of plain) expect(chunk.usage).toBeUndefined();
  });

  test("OpenAI's Responses API, streamed and not", async () => {
    const params = { model: "gpt-x", instructions: "Be kind.", input: [{ role: "user" as const, content: script }] };
    const deltas: string[] = [];
    const stream = openai()
      .responses.stream(params)
      .on("response.output_text.delta", ({ delta }) => deltas.push(delta));
    const streamed = await stream.finalResponse();
    const whole = await openai().responses.create(params);
    expect(whole.output).toMatchObject([
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Grüße 🧵 to all" }] },
      {
        type: "function_call",
        call_id: expect.stringMatching(/^call_sim_/),
        name: "add",
        arguments: '{"a":[1,2.5],"b c":null}',
      },
    ]);
    expect(streamed.output).toMatchObject(whole.output);
    expect([whole.output_text, deltas.join("")]).toEqual(["Grüße 🧵 to all", "Grüße 🧵 to all"]);
    expect(deltas.length).toBeGreaterThan(1);
    expect(whole).toMatchObject({ id: streamed.id, object: "response", status: "completed", model: "gpt-x" });
    expect(streamed.usage).toEqual(whole.usage);
    expect(whole.usage?.total_tokens).toBe(whole.usage!.input_tokens + whole.usage!.output_tokens);
    // It is the same turn of the same script, whichever way it is asked for.
    const messages = [
      { role: "system" as const, content: "Be kind." },
      { role: "user" as const, content: script },
    ];
    const completion = await openai().chat.completions.create({ model: "gpt-x", messages });
    expect(completion.usage?.prompt_tokens).toBe(whole.usage?.input_tokens);
  });

  test("a conversation of the Responses API goes on from its own output", async () => {
    const turns = [{ text: "Hm.", calls: [{ tool: "a" }, { tool: "b" }] }, { text: "{{1.0}} and {{1.1}}" }];
    const input: OpenAI.Responses.ResponseInputItem[] = [
      { role: "developer", content: [{ type: "input_text", text: "x" }] },
      { role: "user", content: sim({ turns }) },
    ];
    const { output } = await openai().responses.create({ model: "m", input });
    input.push(...toResponseInputItems(output));
    for (const item of output.toReversed())
      if (item.type === "function_call")
        input.push({ type: "function_call_output", call_id: item.call_id, output: item.name });
    expect((await openai().responses.create({ model: "m", input })).output_text).toBe("a and b");
    expect((await openai().responses.create({ model: "m", input: sim({ turns: [{ text: "hi" }] }) })).output_text).toBe(
      "hi",
    );
  });

  test.each([
    [{ messages: [{ role: "user", content: "x" }] }, /^400 messages: the Responses API takes input/],
    [{ input: [] }, /^400 input: a text or a list/],
    [{ input: "x", previous_response_id: "resp_1" }, /^400 previous_response_id: .* whole input/],
    [{ input: "x", tools: [{ type: "function", function: { name: "f" } }] }, /^400 tools\[0\]\.name/],
    [{ input: [{ role: "tool", content: "x" }] }, /^400 input\[0\]\.role/],
    [{ input: [{ role: "user", content: [{ type: "text", text: "x" }] }] }, /^400 input\[0\]\.content\[0\]\.type/],
    [{ input: [{ type: "web_search_call" }] }, /^400 input\[0\]\.type/],
    [{ input: [{ type: "function_call", name: "f", arguments: "{}" }] }, /^400 input\[0\]: a function_call has/],
    [{ input: [{ type: "function_call_output", output: "x" }] }, /^400 input\[0\]: a function_call_output has/],
    [{ input: [{ type: "function_call_output", call_id: "c", output: "x" }] }, /^400 messages\[0\]: no call c/],
    [
      {
        input: [
          { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
          { role: "user", content: "x" },
        ],
      },
      /call c is not followed/,
    ],
  ])("the Responses API refuses %j", async (body, message) => {
    await expect(openai().responses.create({ model: "m", ...body } as never)).rejects.toThrow(message);
  });

  test("models are listed, to both", async () => {
    expect((await anthropic().models.list()).data.map(({ id }) => id)).toEqual(["simulated"]);
    expect((await openai().models.list()).data.map(({ id }) => id)).toEqual(["simulated"]);
  });

  test("errors have each vendor's shape", async () => {
    const bad = [{ role: "assistant" as const, content: "hi" }];
    await expect(anthropic().messages.create({ model: "m", max_tokens: 5, messages: bad })).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
    });
    await expect(
      openai().chat.completions.create({ model: "m", messages: [{ role: "tool", tool_call_id: "x", content: "y" }] }),
    ).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
    });
    await expect(
      anthropic().messages.create({ model: "m", messages: [{ role: "user", content: "x" }] } as never),
    ).rejects.toThrow(/max_tokens/);
    await expect(anthropic().get("/v1/nothing")).rejects.toMatchObject({ status: 404, type: "not_found_error" });
    const broken = await fetch(`${served.url}/simulated/openai/v1/chat/completions`, { method: "POST", body: "{oops" });
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({
      error: { type: "invalid_request_error", message: expect.stringContaining("not valid JSON") },
    });
  });

  test("a conversation that names no task counts its own failures", async () => {
    const failing = sim({ turns: [{ text: "ok", fail: { status: 503, times: 1 } }] });
    const ask = (text: string) =>
      openai().chat.completions.create({ model: "m", messages: [{ role: "user", content: `${text}\n${failing}` }] });
    await expect(ask("one")).rejects.toMatchObject({ status: 503 });
    await expect(ask("two")).rejects.toMatchObject({ status: 503 });
    expect((await ask("one")).choices[0]?.message.content).toBe("ok");
  });
});

test("a stored message is sent with its own bytes through the simulated provider too", async () => {
  const text = JSON.stringify(task("x")).replace("task", "t\\u0061sk");
  replyOf(await ask("openai", [], { messages: [text, userText("y")] }));
  expect(served.asked[0]?.body).toContain(text);
  expect(served.asked[0]?.headers.get("x-heddle-task")).toBe("T1-aaaaaa");
});
