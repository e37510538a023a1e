/**
 * An agent loop of one's own that carries out its own forks: a main agent, hosted by Heddle, makes a task for each city in the pool
 * `cities`, and this program serves that pool with a loop on Anthropic's SDK, in the context of the fork.
 *
 *   npx node examples/agent-loop-worker.ts
 *
 * Needs a server (`npm run dev`). Without ANTHROPIC_API_KEY main agent and forks are played by that server's simulated model.
 */

import Anthropic from "@anthropic-ai/sdk";
import { anthropicTask } from "heddle/anthropic";
import { Heddle } from "heddle/client";
import { question, script } from "./lib/cities.ts";

const url = process.env.HEDDLE_URL ?? "http://127.0.0.1:8787";
const heddle = new Heddle({ url, key: process.env.HEDDLE_API_KEY ?? "hdl_local" });
const apiKey = process.env.ANTHROPIC_API_KEY;
const anthropic = apiKey
  ? new Anthropic({ apiKey })
  : new Anthropic({ apiKey: "simulated", baseURL: `${url}/simulated/anthropic` });
const model = apiKey ? (process.env.ANTHROPIC_MODEL ?? "claude-sonnet-4-6") : "simulated";

const pool = `cities-${process.pid}`;
const instructions = apiKey ? `${question} Make them in the pool "${pool}".` : question + script(pool);
await using run = await heddle.runs.create({
  context: { format: "anthropic", model, system: "You answer in one sentence.", messages: [] },
  root: { instructions },
  limits: { pools: [pool] },
});

const done = new AbortController();
const working = heddle.work({
  pool,
  concurrency: 2,
  signal: done.signal,
  run: async (task) => {
    const loop = await anthropicTask(heddle, task); // 1: its fork, as messages
    while (!loop.isOver) {
      const request = { ...loop.request, max_tokens: 4096 };
      await loop.add(await anthropic.messages.create(request, { signal: task.signal })); // 2: a turn, and its calls
    }
    console.log(`${task.lease.task.key}: ${loop.text}`);
    return loop.text; // 3: the result
  },
});
const { root } = await run.view();
console.log(await run.tasks.get(root!).result());
done.abort();
await working;
