/**
 * An agent loop of one's own on the OpenAI SDK (chat completions), with Heddle's tools: when the model calls create_task,
 * forks of this very conversation work in parallel, hosted by Heddle.
 *
 *   npx node examples/agent-loop-openai.ts
 *
 * Needs a server (`npm run dev`). Without OPENAI_API_KEY the loop talks to that server's simulated model, which plays the
 * script at the end of this file. With it, the server needs the key too: it runs the forks. OPENAI_BASE_URL names any
 * other server of this format.
 */

import { Heddle } from "heddle";
import OpenAI from "openai";

type ChatMessage = OpenAI.ChatCompletionMessageParam;
type Call = OpenAI.ChatCompletionMessageFunctionToolCall;

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.OPENAI_API_KEY;
const openai = apiKey
  ? new OpenAI({ apiKey })
  : new OpenAI({ apiKey: "simulated", baseURL: `${url}/simulated/openai/v1` });

const model = apiKey ? (process.env.OPENAI_MODEL ?? "gpt-5") : "simulated";
const tools = await heddle.toolDefinitions("openai"); // tools of one's own go into the same list
const question = "Compare Rome and Oslo for a week in March: weather and prices. Use a task for each city.";
const messages: ChatMessage[] = [
  { role: "system", content: "You answer in one sentence." },
  { role: "user", content: apiKey ? question : question + script() },
];

// Forks get the same model, messages, tools and cache key, so that their requests share the parent's prompt cache.
const params = { prompt_cache_key: crypto.randomUUID() };
const run = await heddle.createRun({ name: "agent loop", context: { format: "openai", model, tools, params } });
let snapshot = run.snapshot;
let stored = 0;

for (;;) {
  const reply = await openai.chat.completions.create({
    ...{ ...params, model, messages },
    tools,
  });
  const { message } = reply.choices[0]!;
  messages.push(message);
  const calls = (message.tool_calls ?? []).filter((call) => call.type === "function");
  if (calls.length === 0) {
    console.log(message.content);
    break;
  }
  // What the conversation grew by, up to the reply with the calls: there the forks begin.
  const grown = messages.slice(stored);
  ({ snapshot } = await heddle.appendContext(run.id, { after: snapshot, messages: grown }));
  stored = messages.length;
  messages.push(...(await Promise.all(calls.map(carryOut))));
}
await heddle.finishRun(run.id);

async function carryOut({ id, function: call }: Call): Promise<ChatMessage> {
  console.log(`→ ${call.name}`);
  for (;;) {
    const outcome = await heddle.callTool(run.id, call.name, { arguments: call.arguments, call_id: id, snapshot });
    if ("pending" in outcome) continue; // it still waits for tasks: the same call_id takes the wait up again
    const content = JSON.stringify("result" in outcome ? outcome.result : outcome);
    return { role: "tool", tool_call_id: id, content };
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
