/**
 * An `Agent` of Cloudflare's Agents SDK with Heddle's tools: when its model calls create_task, forks of its conversation
 * work in parallel, hosted by Heddle. The agent finds its run again whenever it wakes.
 *
 *   npx wrangler dev -c examples/agents-sdk/wrangler.toml
 *   curl http://127.0.0.1:8790/agents/planner/march
 *
 * Needs a server of Heddle (`npm run dev`); its address is HEDDLE_URL in wrangler.toml. Without ANTHROPIC_API_KEY the agent
 * talks to that server's simulated model.
 */

import { createAnthropic } from "@ai-sdk/anthropic";
import { Agent, routeAgentRequest } from "agents";
import { generateText, stepCountIs } from "ai";
import { agentLoop } from "heddle/agents";
import { Heddle } from "heddle/client";
import { question, script } from "../lib/cities.ts";

interface Env {
  HEDDLE_URL: string;
  HEDDLE_API_KEY: string;
  ANTHROPIC_API_KEY?: string;
}

export class Planner extends Agent<Env> {
  override async onRequest(): Promise<Response> {
    const { HEDDLE_URL: url, HEDDLE_API_KEY: key, ANTHROPIC_API_KEY: apiKey } = this.env;
    const provider = apiKey
      ? createAnthropic({ apiKey })
      : createAnthropic({ apiKey: "simulated", baseURL: `${url}/simulated/anthropic/v1` });
    const model = apiKey ? "claude-sonnet-4-6" : "simulated";
    const system = "You answer in one sentence.";

    const loop = await agentLoop(this, new Heddle({ url, key }), { model, system }); // 1
    const { text } = await generateText({
      model: loop.model(provider(model)), // 2
      tools: loop.tools, // 3: beside tools of your own, and `this.mcp.getAITools()`
      system,
      prompt: apiKey ? question : question + script(),
      maxOutputTokens: 4096,
      stopWhen: stepCountIs(10),
    });
    return Response.json({ run: loop.run.id, text });
  }
}

export default {
  fetch: async (request: Request, env: Env): Promise<Response> =>
    (await routeAgentRequest(request, env)) ?? new Response("GET /agents/planner/NAME\n", { status: 404 }),
};
