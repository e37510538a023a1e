// How fast do seats open? Posts more hosted tasks than seats at once, and reads from the run's log when each seat took its
// first task. For operators: the ramp-up of queue consumers can only be measured on a deployment (docs/operating.md).
//
//   HEDDLE_URL=https://heddle.example.workers.dev HEDDLE_API_KEY=hdl_… npx node scripts/probe-seats.mjs --seats 64
//
// With a real model every task costs some hundred tokens of output; the simulated one waits for --latency-ms instead.

import { parseArgs } from "node:util";
import { Heddle } from "heddle";

const { values } = parseArgs({
  options: {
    seats: { type: "string", default: "64" },
    tasks: { type: "string" },
    format: { type: "string", default: "anthropic" },
    model: { type: "string" },
    "latency-ms": { type: "string", default: "10000" },
  },
});
const seats = Number(values.seats);
const count = Number(values.tasks ?? 2 * seats);
const latencyMs = Number(values["latency-ms"]);
if (![seats, count, latencyMs].every((n) => Number.isSafeInteger(n) && n > 0) || count > 1000) {
  console.error("--seats, --tasks (at most 1000) and --latency-ms are whole numbers above 0.");
  process.exit(2);
}

const heddle = new Heddle({
  url: process.env.HEDDLE_URL ?? "http://127.0.0.1:8787",
  key: process.env.HEDDLE_API_KEY ?? "hdl_local",
});
const run = await heddle.createRun({
  name: `seat probe ${seats}`,
  limits: { workers: seats },
  // No tools: a request is then a few dozen tokens.
  context: { format: values.format, tools: [], ...(values.model && { model: values.model }) },
});
const instructions = `Write the numbers from one to two hundred in words.\n\`\`\`sim\n${JSON.stringify({
  latency_ms: latencyMs,
  turns: [{ text: "one, two, three" }],
})}\n\`\`\``;
const tasks = Array.from({ length: count }, () => ({ instructions, retries: { limit: 0 } }));
await heddle.createTasks(run.id, { tasks });
const { counts } = await heddle.waitFor(run.id);
await heddle.finishRun(run.id);

const firstStarts = new Map();
let running = 0;
let peak = 0;
let readyAt;
for await (const event of heddle.followEvents(run.id)) {
  if (event.type === "task_created") readyAt ??= event.at;
  if (event.type === "task_started") {
    if (!firstStarts.has(event.worker)) firstStarts.set(event.worker, event.at - readyAt);
    peak = Math.max(peak, ++running);
  }
  if (event.type === "task_ended" || event.type === "attempt_ended") running--;
}
const opened = [...firstStarts.values()].sort((a, b) => a - b);
console.log(`${run.id}: ${counts.succeeded} of ${count} tasks succeeded; at most ${peak} ran at once`);
for (const part of [0, 0.25, 0.5, 0.75, 0.95, 1]) {
  const place = Math.max(1, Math.ceil(part * seats));
  if (place > opened.length) break;
  console.log(`seat ${String(place).padStart(4)} opened after ${String(opened[place - 1]).padStart(6)} ms`);
}
if (opened.length < seats) console.log(`only ${opened.length} of ${seats} seats opened before the work was done`);
else if (opened.length > seats)
  console.log(`${opened.length} seats in all: one is opened anew after 60 s, or when it is lost`);
