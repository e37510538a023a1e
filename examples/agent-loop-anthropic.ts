/**
 * An agent loop of one's own on the Anthropic SDK, with Heddle's tools: when the model calls create_task, forks of this
 * very conversation work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-anthropic.ts
 *
 * Needs a server (`npm run dev`). Without ANTHROPIC_API_KEY the loop talks to that server's simulated model, which plays
 * the script of lib/cities.ts. With it, the server needs the key too: it runs the forks.
 */

import Anthropic from "@anthropic-ai/sdk";
import { anthropicLoop } from "heddle/anthropic";
import { Heddle } from "heddle/client";
import { question, script } from "./lib/cities.ts";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.ANTHROPIC_API_KEY;
const anthropic = apiKey
  ? new Anthropic({ apiKey })
  : new Anthropic({ apiKey: "simulated", baseURL: `${url}/simulated/anthropic` });

const model = apiKey ? (process.env.ANTHROPIC_MODEL ?? "claude-sonnet-4-6") : "simulated";
const system = "You answer in one sentence.";
const messages: Anthropic.MessageParam[] = [{ role: "user", content: apiKey ? question : question + script() }];

const loop = await anthropicLoop(heddle, { model, system, run: { name: "agent loop" } }); // 1
for (;;) {
  const reply = await anthropic.messages.create({
    ...{ model, system, messages, max_tokens: 4096, cache_control: { type: "ephemeral" } },
    tools: loop.tools, // 2
  });
  messages.push({ role: "assistant", content: reply.content });
  for (const block of reply.content) {
    if (block.type === "text") console.log(block.text);
    if (block.type === "tool_use") console.log(`→ ${block.name}`);
  }
  const results = await loop.results(messages, {}, { reply }); // 3
  if (results.length === 0) break;
  messages.push(...results);
}
await loop.finish();
