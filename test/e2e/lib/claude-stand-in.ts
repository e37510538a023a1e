/**
 * A stand-in for Claude Code without a model: it takes the real command line, keeps sessions, talks to the MCP servers that it is given
 * with the official client, and prints the real stream. What its model would decide stands in the task's instructions, as JSON: a list
 * of steps. Its final message is JSON: the instructions that its session has had, and what its calls were answered.
 */

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

export interface Step {
  /** A tool of the server `heddle`; the text "$x" stands for the field x of the answer before, "$x+1" for one more. */
  readonly call?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** A file, in its working folder. */
  readonly write?: string;
  /** Goes on when this file is there. */
  readonly until?: string;
}

const { values: flags } = parseArgs({
  options: {
    print: { type: "boolean", short: "p" },
    "output-format": { type: "string" },
    verbose: { type: "boolean" },
    "mcp-config": { type: "string" },
    allowedTools: { type: "string" },
    resume: { type: "string" },
    "fork-session": { type: "boolean" },
    "permission-mode": { type: "string" },
  },
});
if (!flags.print || flags["output-format"] !== "stream-json" || !flags.verbose || flags.allowedTools !== "mcp__heddle")
  throw new Error(`not the command line that Claude Code needs: ${process.argv.slice(2).join(" ")}`);

const sessions = process.env.STAND_IN_SESSIONS!;
mkdirSync(sessions, { recursive: true });
const { heard: heardBefore, replies: repliesBefore } =
  flags.resume === undefined ? { heard: [], replies: 0 } : keptIn(flags.resume);
const session = flags.resume === undefined || flags["fork-session"] ? randomUUID() : flags.resume;
const usage = { input_tokens: 3, output_tokens: 7, cache_read_input_tokens: 90, cache_creation_input_tokens: 0 };
let replies = 0;
const print = (line: object) => process.stdout.write(`${JSON.stringify({ session_id: session, ...line })}\n`);

const prompt = readFileSync(0, "utf8");
const instructions = prompt.slice(prompt.lastIndexOf("Do this now:\n") + 13).trim();
const heard = [...heardBefore, instructions];
keep();
print({ type: "system", subtype: "init", tools: [], mcp_servers: [{ name: "heddle", status: "connected" }] });

const { heddle } = JSON.parse(readFileSync(flags["mcp-config"]!, "utf8")).mcpServers;
const client = new Client({ name: "claude-code", version: "0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(
  new StreamableHTTPClientTransport(new URL(heddle.url), { requestInit: { headers: heddle.headers } }),
);
await client.listTools();

const answers: unknown[] = [];
for (const step of JSON.parse(instructions) as Step[]) {
  if (step.until !== undefined) {
    await says("Bash", { command: `until test -e ${step.until}` }, async () => {
      while (!existsSync(step.until!)) await sleep(20);
      return "there";
    });
  } else if (step.write !== undefined) {
    await says("Write", { file_path: step.write }, async () => writeFileSync(step.write!, `${step.write}\n`));
  } else answers.push(await says(`mcp__heddle__${step.call}`, step.args ?? {}, () => called(step)));
}
await client.close();
const result = JSON.stringify({ heard, answers });
reply([{ type: "text", text: result }]);
const all = repliesBefore + replies;
print({
  ...{ type: "result", subtype: "success", is_error: false, num_turns: replies, result_index: 0, result },
  usage: Object.fromEntries(Object.entries(usage).map(([name, count]) => [name, count * replies])),
  // Its sums go on from a session to what goes on with it or with its copy.
  ...{ total_cost_usd: costOf(all), modelUsage: sumsOf(all), model_usage_since_last_result: sumsOf(replies) },
});

function costOf(count: number): number {
  return count * 0.25;
}

function sumsOf(count: number): object {
  const tokens = { inputTokens: 3 * count, outputTokens: 7 * count, cacheReadInputTokens: 90 * count };
  return { "claude-x": { ...tokens, cacheCreationInputTokens: 0, costUSD: costOf(count) } };
}

/** One reply of its model. */
function reply(content: object[]): void {
  replies++;
  print({
    ...{ type: "assistant", parent_tool_use_id: null },
    message: { id: `msg_${randomUUID()}`, role: "assistant", content, usage },
  });
  keep();
}

/** One reply with one call, and its result. */
async function says<T>(name: string, input: object, act: () => Promise<T>): Promise<T> {
  const id = `toolu_${randomUUID()}`;
  reply([{ type: "tool_use", id, name, input }]);
  const done = await act();
  const result = { type: "tool_result", tool_use_id: id, content: JSON.stringify(done) ?? "" };
  print({ type: "user", parent_tool_use_id: null, message: { role: "user", content: [result] } });
  return done;
}

async function called({ call, args = {} }: Step): Promise<unknown> {
  const last = (answers.at(-1) ?? {}) as Record<string, unknown>;
  const filled = Object.entries(args).map(([name, value]) => {
    const [, field, more] = /^\$(\w+)(\+1)?$/.exec(String(value)) ?? [];
    return [name, field === undefined ? value : more ? Number(last[field]) + 1 : last[field]];
  });
  let answer = await tool(call!, Object.fromEntries(filled));
  while (answer.pending) answer = await tool("wait", { handle: answer.handle });
  return answer;
}

async function tool(name: string, args: object): Promise<Record<string, unknown>> {
  const { isError, structuredContent, content } = (await client.callTool({ name, arguments: args as never })) as {
    isError?: boolean;
    structuredContent?: Record<string, unknown>;
    content: unknown;
  };
  if (isError) throw new Error(`${name}: ${JSON.stringify(content)}`);
  return structuredContent!;
}

interface Kept {
  heard: string[];
  replies: number;
}

function keep(): void {
  writeFileSync(join(sessions, session), JSON.stringify({ heard, replies: repliesBefore + replies } satisfies Kept));
}

function keptIn(id: string): Kept {
  try {
    return JSON.parse(readFileSync(join(sessions, id), "utf8")) as Kept;
  } catch {
    process.stderr.write(`No conversation found with session ID: ${id}\n`);
    process.exit(1);
  }
}
