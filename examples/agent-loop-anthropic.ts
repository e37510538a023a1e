/**
 * An agent loop of one's own on the Anthropic SDK, with Heddle's tools: when the model calls create_task, forks of this
 * very conversation work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-anthropic.ts
 *
 * Needs a server (`npm run dev`). Without ANTHROPIC_API_KEY the loop talks to that server's simulated model, which plays
 * the script at the end of this file. With it, the server needs the key too: it runs the forks.
 */

import Anthropic from "@anthropic-ai/sdk";
import { Heddle } from "heddle";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.ANTHROPIC_API_KEY;
const anthropic = apiKey
  ? new Anthropic({ apiKey })
  : new Anthropic({ apiKey: "simulated", baseURL: `${url}/simulated/anthropic` });

const model = apiKey ? (process.env.ANTHROPIC_MODEL ?? "claude-sonnet-4-5") : "simulated";
const system = "You answer in one sentence.";
const tools = await heddle.toolDefinitions("anthropic"); // tools of one's own go into the same list
const question = "Compare Rome and Oslo for a week in March: weather and prices. Use a task for each city.";
const messages: Anthropic.MessageParam[] = [{ role: "user", content: apiKey ? question : question + script() }];

// Forks get the same model, system text and tools, so that their requests share the parent's prompt cache.
const run = await heddle.createRun({ name: "agent loop", context: { format: "anthropic", model, system, tools } });
let snapshot = run.snapshot;
let stored = 0;

for (;;) {
  const reply = await anthropic.messages.create({
    ...{ model, system, messages, max_tokens: 4096, cache_control: { type: "ephemeral" } },
    tools,
  });
  messages.push({ role: "assistant", content: reply.content });
  const calls = reply.content.filter((block) => block.type === "tool_use");
  if (calls.length === 0) {
    for (const block of reply.content) if (block.type === "text") console.log(block.text);
    break;
  }
  // What the conversation grew by, up to the reply with the calls: there the forks begin.
  const grown = messages.slice(stored);
  ({ snapshot } = await heddle.appendContext(run.id, { after: snapshot, messages: grown }));
  stored = messages.length;
  messages.push({ role: "user", content: await Promise.all(calls.map(carryOut)) });
}
await heddle.finishRun(run.id);

async function carryOut(call: Anthropic.ToolUseBlock): Promise<Anthropic.ToolResultBlockParam> {
  console.log(`→ ${call.name}`);
  for (;;) {
    const outcome = await heddle.callTool(run.id, call.name, { arguments: call.input, call_id: call.id, snapshot });
    if ("pending" in outcome) continue; // it still waits for tasks: the same call_id takes the wait up again
    const content = JSON.stringify("result" in outcome ? outcome.result : outcome);
    return { type: "tool_result", tool_use_id: call.id, content, is_error: "error" in outcome };
  }
}

/** What the simulated model plays: the parent's turns and, inside the instructions, those of the two forks. */
function script(): string {
  const block = (turns: object[]) => `\n\`\`\`sim\n${JSON.stringify({ latency_ms: 300, turns })}\n\`\`\``;
  const city = (key: string, says: string) => ({ key, instructions: `Report on ${key}.${block([{ text: says }])}` });
  const tasks = [city("rome", "Rome: 16 °C, 120 € a day."), city("oslo", "Oslo: 4 °C, 190 € a day.")];
  return block([
    { calls: [{ tool: "create_task", arguments: { tasks } }] },
    { calls: [{ tool: "await_tasks", arguments: { tasks: ["rome", "oslo"] } }] },
    { text: "In March Rome is warmer and cheaper: {{2.0.tasks.0.result}} {{2.0.tasks.1.result}}" },
  ]);
}
