/**
 * An agent loop of one's own on OpenAI's Responses API, with Heddle's tools: when the model calls create_task, forks of this
 * very conversation work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-openai-responses.ts
 *
 * Needs a server (`npm run dev`). Without OPENAI_API_KEY the loop talks to that server's simulated model, which plays the
 * script of lib/cities.ts. With it, the server needs the key too: it runs the forks, by chat completions.
 */

import { Heddle } from "heddle/client";
import { openaiResponsesLoop } from "heddle/openai";
import OpenAI from "openai";
import { toResponseInputItems } from "openai/lib/responses/ResponseInputItems";
import { question, script } from "./lib/cities.ts";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.OPENAI_API_KEY;
const openai = apiKey
  ? new OpenAI({ apiKey })
  : new OpenAI({ apiKey: "simulated", baseURL: `${url}/simulated/openai/v1` });

const model = apiKey ? (process.env.OPENAI_MODEL ?? "gpt-5.4") : "simulated";
const instructions = "You answer in one sentence.";
const input: OpenAI.Responses.ResponseInputItem[] = [
  { role: "user", content: apiKey ? question : question + script() },
];

const loop = await openaiResponsesLoop(heddle, { model, instructions, run: { name: "agent loop" } }); // 1
for (;;) {
  const reply = await openai.responses.create({ ...loop.params, model, input, tools: loop.tools }); // 2
  input.push(...toResponseInputItems(reply.output));
  if (reply.output_text) console.log(reply.output_text);
  for (const item of reply.output) if (item.type === "function_call") console.log(`→ ${item.name}`);
  const results = await loop.results(input, {}, { reply }); // 3
  if (results.length === 0) break;
  input.push(...results);
}
await loop.finish();
