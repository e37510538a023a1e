/**
 * Heddle in the AI SDK: streamText with Heddle's tools. When the model calls create_task, forks of this very conversation
 * work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-ai-sdk.ts
 *
 * Needs a server (`npm run dev`). Without ANTHROPIC_API_KEY it talks to that server's simulated model, which plays the script
 * of lib/cities.ts. With it, the server needs the key too: it runs the forks. Any provider of the AI SDK will do.
 */

import { createAnthropic } from "@ai-sdk/anthropic";
import { stepCountIs, streamText } from "ai";
import { aiSdkLoop } from "heddle/ai-sdk";
import { Heddle } from "heddle/client";
import { question, script } from "./lib/cities.ts";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.ANTHROPIC_API_KEY;
const provider = apiKey
  ? createAnthropic({ apiKey })
  : createAnthropic({ apiKey: "simulated", baseURL: `${url}/simulated/anthropic/v1` });

const model = apiKey ? (process.env.ANTHROPIC_MODEL ?? "claude-sonnet-4-6") : "simulated";
const system = "You answer in one sentence.";

const loop = await aiSdkLoop(heddle, { model, system, run: { name: "agent loop" } }); // 1
const { fullStream } = streamText({
  model: loop.model(provider(model)), // 2
  tools: loop.tools, // 3: beside tools of your own
  system,
  prompt: apiKey ? question : question + script(),
  maxOutputTokens: 4096,
  stopWhen: stepCountIs(10),
});
for await (const part of fullStream) {
  if (part.type === "text-delta") process.stdout.write(part.text);
  if (part.type === "text-end") console.log();
  if (part.type === "tool-call") console.log(`→ ${part.toolName}`);
  if (part.type === "error") throw part.error;
}
await loop.finish();
