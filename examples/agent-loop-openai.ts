/**
 * An agent loop of one's own on the OpenAI SDK (chat completions), with Heddle's tools: when the model calls create_task,
 * forks of this very conversation work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-openai.ts
 *
 * Needs a server (`npm run dev`). Without OPENAI_API_KEY the loop talks to that server's simulated model, which plays the
 * script of lib/cities.ts. With it, the server needs the key too: it runs the forks. OPENAI_BASE_URL names any other server
 * of this format.
 */

import { Heddle } from "heddle/client";
import { openaiLoop } from "heddle/openai";
import OpenAI from "openai";
import { question, script } from "./lib/cities.ts";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.OPENAI_API_KEY;
const openai = apiKey
  ? new OpenAI({ apiKey })
  : new OpenAI({ apiKey: "simulated", baseURL: `${url}/simulated/openai/v1` });

const model = apiKey ? (process.env.OPENAI_MODEL ?? "gpt-5.4") : "simulated";
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: "You answer in one sentence." },
  { role: "user", content: apiKey ? question : question + script() },
];

const loop = await openaiLoop(heddle, { model, run: { name: "agent loop" } }); // 1
for (;;) {
  const reply = await openai.chat.completions.create({ ...loop.params, model, messages, tools: loop.tools }); // 2
  const { message } = reply.choices[0]!;
  messages.push(message);
  if (message.content) console.log(message.content);
  for (const call of message.tool_calls ?? []) if (call.type === "function") console.log(`→ ${call.function.name}`);
  const results = await loop.results(messages, {}, { reply }); // 3
  if (results.length === 0) break;
  messages.push(...results);
}
await loop.finish();
