/** An agent loop of one's own, on the vendors' official SDKs, with Heddle's tools pasted into its requests. */

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { Format } from "../../../src/context/types.ts";
import type { LocalServer } from "./server.ts";
import { oddly } from "./transcripts.ts";

export interface LoopCall {
  id: string;
  name: string;
  arguments: string;
  // biome-ignore lint/suspicious/noExplicitAny: a tool's answer
  outcome: any;
}

export interface Driven {
  run: string;
  /** The whole conversation, as the texts that Heddle was sent. */
  texts: string[];
  /** Each reply that had calls: its index in `texts`, and the calls. */
  replies: { at: number; calls: LoopCall[] }[];
  final: string;
}

interface Reply {
  message: unknown;
  calls: { id: string; name: string; arguments: string }[];
  text: string;
}

/** The tool that the loop carries out itself. */
const readFile = {
  name: "read_file",
  description: "Reads a file of the project.",
  schema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
};

/**
 * Runs the loop to its last reply. `sends`: what a tool call says about the conversation: the whole of it after the run's
 * first snapshot ("since_start"), or what is new, after the head ("since_head").
 */
export async function driveLoop(
  server: LocalServer,
  format: Format,
  prompt: string,
  sends: "since_start" | "since_head",
): Promise<Driven> {
  const listed = await server.call("GET", `/v1/tools?format=${format}`);
  const vendor = format === "anthropic" ? anthropic(server, listed.json.tools) : openai(server, listed.json.tools);
  const user = { role: "user", content: prompt };
  const texts = [oddly(user)];
  const created = await server.call(
    "POST",
    "/v1/runs",
    `{"name": "loop", "context": {"format": "${format}", "model": "simulated", "tools": ${JSON.stringify(vendor.tools)}, "messages": [${texts[0]}]}}`,
  );
  if (created.status !== 201) throw new Error(created.text);
  const run = created.json.id as string;
  const replies: Driven["replies"] = [];
  let sent = 1;
  for (;;) {
    const reply = await vendor.next(texts.map((text) => JSON.parse(text)));
    texts.push(oddly(reply.message));
    if (reply.calls.length === 0) return { run, texts, replies, final: reply.text };
    const from = sends === "since_start" ? 1 : sent;
    const envelope = `${sends === "since_start" ? `"snapshot": "${created.json.snapshot}",` : ""}"messages": [${texts.slice(from).join(",\n")}]`;
    const calls = await Promise.all(
      reply.calls.map(async (call) => ({ ...call, outcome: await carryOut(server, run, call, envelope) })),
    );
    replies.push({ at: texts.length - 1, calls });
    sent = texts.length;
    for (const message of vendor.results(calls)) texts.push(oddly(message));
  }
}

async function carryOut(server: LocalServer, run: string, call: Omit<LoopCall, "outcome">, envelope: string) {
  if (call.name === readFile.name) return { result: "the contents of the file" };
  for (;;) {
    // OpenAI's arguments go as the text that they are, Anthropic's as the object.
    const body = `{"call_id": "${call.id}", "arguments": ${call.arguments}, "wait_ms": 20000, ${envelope}}`;
    const { status, text, json } = await server.call("POST", `/v1/runs/${run}/tools/${call.name}`, body);
    if (status !== 200) throw new Error(text);
    if (!json.pending) return json;
  }
}

function anthropic(server: LocalServer, heddleTools: Anthropic.Tool[]) {
  const client = new Anthropic({ baseURL: `${server.url}/simulated/anthropic`, apiKey: "simulated", maxRetries: 0 });
  const tools = [
    ...heddleTools,
    { name: readFile.name, description: readFile.description, input_schema: readFile.schema } as Anthropic.Tool,
  ];
  return {
    tools,
    async next(messages: Anthropic.MessageParam[]): Promise<Reply> {
      const { role, content } = await client.messages.create({ model: "simulated", max_tokens: 500, messages, tools });
      const uses = content.filter((block) => block.type === "tool_use");
      return {
        message: { role, content },
        calls: uses.map(({ id, name, input }) => ({ id, name, arguments: JSON.stringify(input) })),
        text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
      };
    },
    results: (calls: LoopCall[]): unknown[] => [
      {
        role: "user",
        content: calls.map(({ id, outcome }) => ({
          type: "tool_result",
          tool_use_id: id,
          content: JSON.stringify(outcome.error ? { error: outcome.error } : outcome.result),
          ...(outcome.error && { is_error: true }),
        })),
      },
    ],
  };
}

function openai(server: LocalServer, heddleTools: OpenAI.ChatCompletionTool[]) {
  const client = new OpenAI({ baseURL: `${server.url}/simulated/openai/v1`, apiKey: "simulated", maxRetries: 0 });
  const { name, description, schema: parameters } = readFile;
  const tools: OpenAI.ChatCompletionTool[] = [
    ...heddleTools,
    { type: "function", function: { name, description, parameters } },
  ];
  return {
    tools,
    async next(messages: OpenAI.ChatCompletionMessageParam[]): Promise<Reply> {
      const completion = await client.chat.completions.create({ model: "simulated", messages, tools });
      const message = completion.choices[0]!.message;
      const calls = (message.tool_calls ?? []).filter((call) => call.type === "function");
      return {
        message,
        calls: calls.map((call) => ({
          id: call.id,
          name: call.function.name,
          arguments: JSON.stringify(call.function.arguments),
        })),
        text: message.content ?? "",
      };
    },
    results: (calls: LoopCall[]): unknown[] =>
      calls.map(({ id, outcome }) => ({
        role: "tool",
        tool_call_id: id,
        content: JSON.stringify(outcome.error ? { error: outcome.error } : outcome.result),
      })),
  };
}
