/** Models that take tools and reasoning by OpenAI's Responses API alone: which API is asked, what with, and what its replies become. */

import { afterEach, describe, expect, test } from "vitest";
import { callOpenai } from "../../../src/agent/models/openai.ts";
import { stripReasoning } from "../../../src/context/fork.ts";
import { checkMessages } from "../../../src/context/message-rules.ts";
import { responsesOutputTokensMin } from "../../../src/limits.ts";
import { type Served, serve, sse } from "../../local/simulated/serve.ts";
import { faultOf, type Given, replyOf, requestTo, userText } from "./request.ts";

let served: Served | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

const chatPath = "/openai/v1/chat/completions";
const responsesPath = "/openai/v1/responses";
const refusal = (message: string, status = 400) =>
  Response.json({ error: { message, type: "invalid_request_error", param: "reasoning_effort" } }, { status });
const wantsResponses = () =>
  refusal(
    "Function tools with reasoning_effort are not supported for m-1 in /v1/chat/completions. Please use /v1/responses instead.",
  );
const line = (event: { type: string }): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

const reasoning = (id: string) => ({ id, type: "reasoning", summary: [], encrypted_content: `sealed ${id}` });
const message = (id: string, text: string, more = {}) => ({
  id,
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
  ...more,
});
const call = (id: string, name: string, args = "{}") => ({
  id: `fc_${id}`,
  type: "function_call",
  status: "completed",
  call_id: id,
  name,
  arguments: args,
});
const usage = {
  input_tokens: 200,
  input_tokens_details: { cached_tokens: 128, cache_write_tokens: 64 },
  output_tokens: 9,
};
const events = (output: readonly object[], end: object = { status: "completed" }, type = "response.completed") => [
  line({ type: "response.created" }),
  ...output.map((item, output_index) => line({ type: "response.output_item.done", output_index, item } as never)),
  line({ type, response: { output, usage, ...end } } as never),
];

/** Chat completions refuse; responses answer with these items, one list a call. */
async function newModel(...outputs: (readonly object[])[]): Promise<Served> {
  let next = 0;
  served = await serve(async (request) =>
    new URL(request.url).pathname === chatPath ? wantsResponses() : sse(events(outputs[next++]!)),
  );
  return served;
}

const ask = async ({ url }: Served, given: Given = {}) => replyOf(await callOpenai(requestTo("openai", url, given)));
const sent = ({ asked }: Served) => JSON.parse(asked.at(-1)!.body);

describe("which API is asked", () => {
  test("chat completions, until a model refuses them for the other: then that alone", async () => {
    const server = await newModel([message("msg_1", "one")], [message("msg_2", "two")]);
    expect((await ask(server)).text).toBe("one");
    expect((await ask(server)).text).toBe("two");
    expect(server.asked.map(({ path }) => path)).toEqual([chatPath, responsesPath, responsesPath]);
  });

  test("each model by itself, and at each address", async () => {
    const server = await newModel([message("msg_1", "one")], [message("msg_2", "two")]);
    await ask(server);
    await ask(server, { model: "m-2" });
    expect(server.asked.map(({ path }) => path)).toEqual([chatPath, responsesPath, chatPath, responsesPath]);
  });

  test("the other at once where the context has its replies: they tell what another isolate has learned", async () => {
    const server = await newModel([reasoning("rs_1"), message("msg_1", "one")], [message("msg_2", "two")]);
    const { message: reply } = await ask(server);
    await ask(server, { model: "m-2", messages: [userText("go"), reply, userText("on")] });
    expect(server.asked.at(-2)!.path).toBe(responsesPath);
    expect(server.asked.map(({ path }) => path)).toEqual([chatPath, responsesPath, responsesPath]);
  });

  test("chat completions again where nobody knows the other, without what they would not take", async () => {
    const { message: reply } = await ask(await newModel([reasoning("rs_1"), message("msg_1", "one")]));
    await served!.close();
    const chunk = { id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: "two" } }] };
    const end = { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    served = await serve(async (request) =>
      new URL(request.url).pathname === responsesPath
        ? refusal("There is nothing here.", 404)
        : sse(
            [chunk, end, "[DONE]"].map((data) => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`),
          ),
    );
    expect((await ask(served, { messages: [userText("go"), reply, userText("on")] })).text).toBe("two");
    expect(sent(served).messages[1]).toEqual({ role: "assistant", content: "one" });
  });

  test("what one key was told is not what another's model wants, and a refusal that names the other in vain is none", async () => {
    const parts = [
      { choices: [{ index: 0, delta: { content: "chat" } }] },
      { choices: [{ index: 0, finish_reason: "stop" }] },
    ];
    const chat = () => sse([...parts.map((part) => `data: ${JSON.stringify(part)}\n\n`), "data: [DONE]\n\n"]);
    served = await serve(async (request) => {
      const { stop, stream_options: options } = (await request.clone().json()) as Record<string, unknown>;
      const isResponses = new URL(request.url).pathname === responsesPath;
      if (stop !== undefined && isResponses) return refusal("Unknown parameter: 'stop'.");
      if (isResponses) return sse(events([message("msg_1", "responses")]));
      return JSON.stringify([stop, options]).includes("v1/responses") ? refusal("Unknown: 'v1/responses'.") : chat();
    });
    const asks = (apiKey: string, params: object) => {
      return callOpenai(requestTo("openai", served!.url, { params: JSON.stringify(params), provider: { apiKey } }));
    };
    expect(replyOf(await asks("one", { stream_options: { "v1/responses": 1 } })).text).toBe("responses");
    expect(replyOf(await asks("other", { stop: "." })).text).toBe("chat");
    expect(faultOf(await asks("third", { stop: "v1/responses" })).code).toBe("provider_rejected");
    expect(replyOf(await asks("third", {})).text).toBe("chat");
  });

  test("any other refusal stands", async () => {
    served = await serve(async () => refusal("Unknown parameter: 'oops'."));
    expect(faultOf(await callOpenai(requestTo("openai", served.url))).code).toBe("provider_rejected");
    expect(served.asked).toHaveLength(1);
  });
});

describe("the reply", () => {
  test("is a message of chat completions, from which the items come back as they were", async () => {
    const output = [
      reasoning("rs_1"),
      message("msg_1", "First I look. ", { phase: "commentary" }),
      reasoning("rs_2"),
      call("call_1", "add", '{"a": 1.50}'),
      message("msg_2", "Both."),
      call("call_2", "now"),
    ];
    const server = await newModel(output, [message("msg_3", "done")]);
    const heard: string[] = [];
    const got = await ask(server, { onText: (text) => heard.push(text) });
    expect(JSON.parse(got.message)).toMatchObject({
      role: "assistant",
      content: "First I look. Both.",
      tool_calls: [
        { id: "call_1", type: "function", function: { name: "add", arguments: '{"a": 1.50}' } },
        { id: "call_2", type: "function", function: { name: "now", arguments: "{}" } },
      ],
    });
    expect(got.calls).toEqual([
      { id: "call_1", name: "add", arguments: '{"a": 1.50}' },
      { id: "call_2", name: "now", arguments: "{}" },
    ]);
    expect(got).toMatchObject({ text: "First I look. Both.", stop: "calls" });
    expect(got.usage).toEqual({ input_tokens: 200, output_tokens: 9, cache_read_tokens: 128, cache_write_tokens: 64 });
    const answers = ["call_1", "call_2"].map((id) => ({ role: "tool", tool_call_id: id, content: `of ${id}` }));
    const messages = [{ role: "user", content: "go" }, JSON.parse(got.message), ...answers];
    expect(checkMessages("openai", messages)).toEqual([]);

    await ask(server, { messages: messages.map((one) => JSON.stringify(one)) });
    const back = sent(server).input.slice(1, 1 + output.length);
    // Log probabilities are of the reply alone, and calls have no status of their own in a request.
    const shown = JSON.parse(JSON.stringify(output).replaceAll(',"logprobs":[]', ""));
    for (const item of shown) if (item.type === "function_call") delete item.status;
    expect(back).toEqual(shown);
    expect(sent(server).input.slice(1 + output.length)).toEqual([
      { type: "function_call_output", call_id: "call_1", output: "of call_1" },
      { type: "function_call_output", call_id: "call_2", output: "of call_2" },
    ]);
  });

  test("has nothing beyond the message where that says it all, and loses it where it goes to another model", async () => {
    const server = await newModel([message("msg_1", "plain")], [reasoning("rs_1"), call("call_1", "t")]);
    expect(JSON.parse((await ask(server)).message)).toEqual({ role: "assistant", content: "plain" });
    const { message: reply } = await ask(server);
    expect(JSON.parse(reply)).toHaveProperty("response_items");
    expect(JSON.parse(stripReasoning("openai", reply))).toEqual({
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "t", arguments: "{}" } }],
    });
  });

  test("is told piece by piece", async () => {
    const deltas = ["Hel", "lo"].map((delta) => line({ type: "response.output_text.delta", delta } as never));
    served = await serve(async (request) =>
      new URL(request.url).pathname === chatPath
        ? wantsResponses()
        : sse([...deltas, ...events([message("msg_1", "Hello")])]),
    );
    const heard: string[] = [];
    expect((await ask(served, { onText: (text) => heard.push(text) })).text).toBe("Hello");
    expect(heard).toEqual(["Hel", "lo"]);
  });

  test.each([
    ["max_output_tokens", [message("msg_1", "Half of")], "output_limit", "Half of"],
    ["max_output_tokens", [reasoning("rs_1")], "output_limit", ""],
    ["max_output_tokens", [call("call_1", "t", '{"a":')], "output_limit", ""],
    ["content_filter", [message("msg_1", "I "), call("call_1", "t", '{"a":')], "refusal", "I "],
  ])("that is incomplete for %s says so", async (reason, output, stop, text) => {
    const end = { status: "incomplete", incomplete_details: { reason } };
    served = await serve(async (request) =>
      new URL(request.url).pathname === chatPath ? wantsResponses() : sse(events(output, end, "response.incomplete")),
    );
    const got = await ask(served);
    expect(got).toMatchObject({ stop, text, calls: [] });
    expect(checkMessages("openai", [{ role: "user", content: "go" }, JSON.parse(got.message)])).toEqual([]);
  });

  test("whose tokens nobody counted has cost something all the same", async () => {
    served = await serve(async (request) =>
      new URL(request.url).pathname === chatPath
        ? wantsResponses()
        : sse(events([message("msg_1", "one")], { status: "completed", usage: null })),
    );
    const reply = await ask(served, { messages: [userText("x".repeat(4000))] });
    expect(reply.usage.input_tokens).toBeGreaterThan(1000);
    expect(reply.usage.output_tokens).toBeGreaterThan(0);
  });

  test.each([[[]], [[reasoning("rs_1")]], [[reasoning("rs_1"), message("msg_1", " ")]]])(
    "may say nothing",
    async (output) => {
      const got = await ask(await newModel(output));
      expect(got).toMatchObject({ stop: "end", text: "", calls: [] });
      expect(JSON.parse(got.message)).toEqual({ role: "assistant", content: "(no text)" });
    },
  );

  test("that refuses is a refusal", async () => {
    const content = [{ type: "refusal", refusal: "No." }];
    const got = await ask(await newModel([reasoning("rs_1"), { ...message("msg_1", ""), content }]));
    expect(got).toMatchObject({ stop: "refusal", text: "No.", calls: [] });
    expect(JSON.parse(got.message)).toEqual({ role: "assistant", content: null, refusal: "No." });
  });
});

describe("the request", () => {
  test("says what the chat completion would have said", async () => {
    const server = await newModel([message("msg_1", "one")]);
    await ask(server, {
      system: '"be brief"',
      tools: JSON.stringify([
        { type: "function", function: { name: "t", description: "d", parameters: { type: "object" } } },
        { type: "function", function: { name: "s", parameters: { type: "object" }, strict: true } },
        {
          type: "custom",
          custom: { name: "c", format: { type: "grammar", grammar: { syntax: "lark", definition: "x" } } },
        },
      ]),
      params: JSON.stringify({
        reasoning_effort: "high",
        verbosity: "low",
        response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" }, strict: true } },
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "t" } }] },
        },
        parallel_tool_calls: false,
        max_tokens: null,
        max_completion_tokens: 500,
        stream_options: { include_usage: true },
        model: "other",
        previous_response_id: "resp_of_another",
        conversation: "conv_of_another",
        stop: "END",
        ...{ n: 1, logprobs: false, presence_penalty: 0, frequency_penalty: 0 },
      }),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
            { type: "file", file: { file_data: "data:application/pdf;base64,AA==", filename: "a.pdf" } },
          ],
        },
        {
          role: "assistant",
          content: "of another model",
          tool_calls: [
            { id: "call_1", type: "function", function: { name: "t", arguments: "{}" } },
            { id: "call_2", type: "custom", custom: { name: "c", input: "free" } },
          ],
        },
        { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "two" }] },
        { role: "tool", tool_call_id: "call_1", content: "one" },
      ].map((one) => JSON.stringify(one)),
    });
    expect(sent(server)).toEqual({
      model: "m-1",
      max_output_tokens: 500,
      store: false,
      prompt_cache_key: "lineage-1",
      parallel_tool_calls: false,
      // The API has no such parameter, and says so.
      stop: "END",
      reasoning: { effort: "high" },
      text: { verbosity: "low", format: { type: "json_schema", name: "n", schema: { type: "object" }, strict: true } },
      tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "t" }] },
      include: ["reasoning.encrypted_content"],
      stream: true,
      tools: [
        { type: "function", strict: false, name: "t", description: "d", parameters: { type: "object" } },
        { type: "function", strict: true, name: "s", parameters: { type: "object" } },
        { type: "custom", name: "c", format: { type: "grammar", syntax: "lark", definition: "x" } },
      ],
      input: [
        { role: "system", content: "be brief" },
        {
          role: "user",
          content: [
            { type: "input_text", text: "look" },
            { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "auto" },
            { type: "input_file", file_data: "data:application/pdf;base64,AA==", filename: "a.pdf" },
          ],
        },
        { role: "assistant", content: [{ type: "output_text", text: "of another model", annotations: [] }] },
        { type: "function_call", call_id: "call_1", name: "t", arguments: "{}" },
        { type: "custom_tool_call", call_id: "call_2", name: "c", input: "free" },
        { type: "custom_tool_call_output", call_id: "call_2", output: [{ type: "input_text", text: "two" }] },
        { type: "function_call_output", call_id: "call_1", output: "one" },
      ],
    });
  });

  test.each([
    ["a text that was changed", (reply: { content: string }) => ({ ...reply, content: "Something else." })],
    ["a call that is gone", (reply: object) => ({ ...reply, tool_calls: undefined })],
    ["items of somebody's making", (reply: object) => ({ ...reply, response_items: "all" })],
    [
      "an item that names another's",
      (reply: { response_items: object[] }) => ({
        ...reply,
        response_items: [...reply.response_items, { type: "item_reference", id: "msg_of_another" }],
      }),
    ],
  ])("takes a message as it stands where its items do not fit it: %s", async (_, changed) => {
    const server = await newModel(
      [reasoning("rs_1"), message("msg_1", "one"), call("call_1", "t")],
      [message("m", "x")],
    );
    const reply = JSON.parse((await ask(server)).message);
    const messages = [userText("go"), JSON.stringify(changed(reply)), userText("on")];
    await ask(server, { messages });
    const { input } = sent(server);
    expect(input[1]).toMatchObject({ role: "assistant", content: [{ type: "output_text" }] });
    expect(JSON.stringify(input)).not.toContain("sealed");
  });

  test("goes without the reasoning that whoever answers now can't open", async () => {
    const first = await newModel([reasoning("rs_1"), message("msg_1", "one")]);
    const { message: reply } = await ask(first);
    await first.close();
    served = await serve(async (request) =>
      (await request.text()).includes("sealed")
        ? refusal("The encrypted content for item rs_1 could not be verified.")
        : sse(events([message("msg_2", "two")])),
    );
    expect((await ask(served, { messages: [userText("go"), reply, userText("on")] })).text).toBe("two");
    expect(served.asked).toHaveLength(2);
    expect(sent(served).input[1]).toEqual({
      role: "assistant",
      content: [{ type: "output_text", text: "one", annotations: [] }],
    });
  });

  test("is not sent where fewer tokens are left than a limit takes: the reply is cut, and costs nothing", async () => {
    const server = await newModel([message("msg_1", "one")]);
    await ask(server);
    const got = await ask(server, { maxOutputTokens: responsesOutputTokensMin - 1 });
    expect(got).toMatchObject({ stop: "output_limit", text: "", usage: { input_tokens: 0, output_tokens: 0 } });
    expect(server.asked).toHaveLength(2);
  });
});

describe("what goes wrong", () => {
  const answering = async (...lines: string[]) => {
    served = await serve(async (request) =>
      new URL(request.url).pathname === chatPath ? wantsResponses() : sse(lines),
    );
    return faultOf(await callOpenai(requestTo("openai", served.url)));
  };

  test.each([
    [
      "failed: overloaded",
      { type: "response.failed", response: { error: { code: "server_error", message: "Try again." } } },
      "provider_unavailable",
    ],
    [
      "failed: too many",
      { type: "response.failed", response: { error: { code: "rate_limit_exceeded", message: "Slower." } } },
      "provider_rate_limited",
    ],
    [
      "an error",
      {
        type: "error",
        code: "context_length_exceeded",
        message: "Your input exceeds the context window of this model.",
        param: null,
      },
      "context_too_long",
    ],
  ])("%s", async (_, event, code) => {
    expect((await answering(line({ type: "response.created" }), line(event))).code).toBe(code);
  });

  test("a stream that ends in the middle, and one whose call has no name", async () => {
    expect((await answering(line({ type: "response.created" }))).code).toBe("network");
    await served!.close();
    expect((await answering(...events([{ ...call("call_1", ""), name: undefined }]))).code).toBe("network");
  });

  test("a context that is too long is refused by chat completions first, or by this API", async () => {
    const error = { message: "Too long.", type: "invalid_request_error", code: "context_length_exceeded" };
    served = await serve(async (request) =>
      new URL(request.url).pathname === chatPath ? wantsResponses() : Response.json({ error }, { status: 400 }),
    );
    expect(faultOf(await callOpenai(requestTo("openai", served.url))).code).toBe("context_too_long");
  });
});
