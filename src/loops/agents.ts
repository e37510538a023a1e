/**
 * `heddle/agents`: Heddle as tools of an `Agent` of Cloudflare's Agents SDK. The agent keeps its run in its own database, so
 * that it finds tasks, variables and results again after it slept, was moved or was deployed anew.
 */

import { type Heddle, isProblem, type Run } from "../client/index.ts";
import { AiSdkLoop, contextOf, type NewAiSdkOptions } from "./ai-sdk.ts";
import { runFor, toolsQuery } from "./loop.ts";

export { AiSdkLoop, type AiSdkLoopOptions, type AiSdkModel, Loop, type LoopOptions, type ToolNames } from "./ai-sdk.ts";

/** What is needed of an agent: `this` of a class that extends `Agent`, `AIChatAgent` or `McpAgent` has it. */
export interface AgentWithSql {
  /** Runs SQL on the agent's own database. */
  sql<Row = Record<string, string | number | boolean | null>>(
    strings: TemplateStringsArray,
    ...values: (string | number | boolean | null)[]
  ): Row[];
}

/** Of an agent's loop. */
export interface AgentLoopOptions extends NewAiSdkOptions {
  /** Of several runs of one agent, which: one for each chat, for example. */
  readonly key?: string;
}

/** Runs that are being looked for, by the key: of two messages that come at once both get the run of the first. */
const sought = new WeakMap<AgentWithSql, Map<string, Promise<Run>>>();

/**
 * The loop of an agent, with the run that it had before; a new one when it had none, or when that has ended.
 * Call it at each message: it costs two reads, and no run.
 */
export async function agentLoop(
  agent: AgentWithSql,
  heddle: Heddle,
  { key = "", ...options }: AgentLoopOptions = {},
): Promise<AiSdkLoop> {
  const definitions = await heddle.toolDefinitions("json-schema", toolsQuery(options));
  const run = await soughtRun(agent, key, () => runOf(agent, key, heddle, options));
  return new AiSdkLoop(run, definitions, options);
}

function soughtRun(agent: AgentWithSql, key: string, look: () => Promise<Run>): Promise<Run> {
  const byKey = sought.get(agent) ?? new Map<string, Promise<Run>>();
  sought.set(agent, byKey);
  const run = byKey.get(key) ?? look().finally(() => byKey.delete(key));
  byKey.set(key, run);
  return run;
}

async function runOf(agent: AgentWithSql, key: string, heddle: Heddle, options: NewAiSdkOptions): Promise<Run> {
  agent.sql`CREATE TABLE IF NOT EXISTS heddle_runs (key TEXT PRIMARY KEY, run TEXT NOT NULL)`;
  const [row] = agent.sql<{ run: string }>`SELECT run FROM heddle_runs WHERE key = ${key}`;
  const known = row && (await liveRun(heddle, row.run));
  if (known) return known;
  const run = await runFor(heddle, contextOf(options), options);
  agent.sql`INSERT OR REPLACE INTO heddle_runs (key, run) VALUES (${key}, ${run.id})`;
  return run;
}

async function liveRun(heddle: Heddle, id: string): Promise<Run | undefined> {
  const run = heddle.runs.get(id);
  try {
    return (await run.view()).ended_at === null ? run : undefined;
  } catch (error) {
    if (isProblem(error, "not_found")) return undefined;
    throw error;
  }
}
