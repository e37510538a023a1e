/**
 * Stand-ins for harnesses: programs of their names, first on the PATH of a test's worker, that take the real command lines and print
 * in the real formats what the test has written down for each start.
 */

import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** What one start of a stand-in does, in this order. */
export interface Act {
  /** Files that it writes, in its working folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Shell commands, in its working folder. */
  readonly commands?: readonly string[];
  readonly lines?: readonly object[];
  readonly stderr?: string;
  readonly status?: number;
  readonly signal?: string;
  /** It goes on until it is ended. */
  readonly stays?: true;
}

export interface StartedStandIn {
  readonly args: string[];
  readonly stdin: string;
  readonly cwd: string;
  readonly env: Record<string, string>;
  /** The text of the file, or of the variable, that names the MCP server. */
  readonly mcp?: string;
}

const program = (folder: string) => `#!${process.execPath}
const fs = require("fs");
const args = process.argv.slice(2);
if (args[0] === "--version") { console.log("9.8.7 (stand-in)"); process.exit(); }
const stdin = fs.readFileSync(0, "utf8");
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(HEDDLE|OPENCODE)_/.test(name)));
const file = args[args.indexOf("--mcp-config") + 1 || -1];
const mcp = file ? fs.readFileSync(file, "utf8") : process.env.OPENCODE_CONFIG_CONTENT;
const log = ${JSON.stringify(join(folder, "starts.jsonl"))};
fs.appendFileSync(log, JSON.stringify({ args, stdin, env, mcp, cwd: process.cwd() }) + "\\n");
const n = fs.readFileSync(log, "utf8").trim().split("\\n").length - 1;
const acts = JSON.parse(fs.readFileSync(${JSON.stringify(join(folder, "acts.json"))}, "utf8"));
const act = acts[Math.min(n, acts.length - 1)];
for (const [name, text] of Object.entries(act.files ?? {})) fs.writeFileSync(name, text);
for (const command of act.commands ?? []) require("child_process").execSync(command, { stdio: "pipe" });
process.stdout.write((act.lines ?? []).map((line) => JSON.stringify(line) + "\\n").join(""), () => {
  process.stderr.write(act.stderr ?? "", () => {
    if (act.stays) setInterval(() => {}, 1000);
    else if (act.signal) process.kill(process.pid, act.signal);
    else process.exit(act.status ?? 0);
  });
});
`;

export class StandIns {
  readonly #folder: string;
  readonly #bin: string;

  constructor(folder: string, names: readonly string[] = ["claude", "codex", "opencode"]) {
    this.#folder = folder;
    this.#bin = join(folder, "bin");
    mkdirSync(this.#bin);
    for (const name of names) {
      // A module's folder would make it one: it is CommonJS.
      writeFileSync(join(this.#bin, name), program(folder));
      chmodSync(join(this.#bin, name), 0o755);
    }
    appendFileSync(join(folder, "starts.jsonl"), "");
  }

  get path(): string {
    return `${this.#bin}${delimiter}${process.env.PATH}`;
  }

  /** One for each start; the last one for all that follow. */
  plan(...acts: Act[]): void {
    writeFileSync(join(this.#folder, "acts.json"), JSON.stringify(acts));
  }

  get starts(): StartedStandIn[] {
    const path = join(this.#folder, "starts.jsonl");
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }
}

/** Of a turn; agents of its own are not in it. */
const claudeUsage = {
  input_tokens: 10,
  output_tokens: 20,
  cache_read_input_tokens: 300,
  cache_creation_input_tokens: 4,
};
const claudeModel = { inputTokens: 10, outputTokens: 20, cacheReadInputTokens: 300, cacheCreationInputTokens: 4 };

/** What the sums of the versions that number their results are: of the session, and of the one that it is a copy of. */
const claudeSums = (times: number) => ({
  "claude-x": {
    inputTokens: 10 * times,
    outputTokens: 20 * times,
    cacheReadInputTokens: 300 * times,
    cacheCreationInputTokens: 4 * times,
    costUSD: 0.25 * times,
  },
});

const replyUsage = { input_tokens: 2, output_tokens: 5, cache_read_input_tokens: 40, cache_creation_input_tokens: 1 };

/** What `claude -p --output-format stream-json --verbose` prints. */
export const claude = {
  init: { type: "system", subtype: "init", session_id: "ses-1", tools: ["Bash"], mcp_servers: [] },
  tool: (name: string, input: object, { id = "msg_1" } = {}) => ({
    type: "assistant",
    session_id: "ses-1",
    parent_tool_use_id: null,
    message: { id, role: "assistant", usage: replyUsage, content: [{ type: "tool_use", id: "toolu_1", name, input }] },
  }),
  /** `sums`: how many such turns its session has had with this one. */
  done: (result: string, { index = 0, sums = 1 } = {}) => ({
    ...{ type: "result", subtype: "success", is_error: false, session_id: "ses-1", num_turns: 2, result },
    ...{ result_index: index, usage: claudeUsage, total_cost_usd: 0.25 * sums, modelUsage: claudeSums(sums) },
    model_usage_since_last_result: { "claude-x": { ...claudeModel, costUSD: 0.25 } },
  }),
  /** Versions before those: sums of this start, agents of its own included. */
  olderDone: (result: string, sums: number) => ({
    ...{ type: "result", subtype: "success", is_error: false, session_id: "ses-1", num_turns: 2, result },
    ...{ usage: claudeUsage, total_cost_usd: 0.25 * sums, modelUsage: claudeSums(sums) },
  }),
  /** Versions between: sums of its session, and nothing of what is new. */
  betweenDone: (result: string, { index = 0, sums = 1 } = {}) => {
    const { model_usage_since_last_result: _, ...rest } = claude.done(result, { index, sums });
    return rest;
  },
  failed: (more: object) => ({ type: "result", is_error: true, session_id: "ses-1", usage: claudeUsage, ...more }),
  /** An error that it tells as a message of its model's. */
  told: (error: string, text: string) => ({
    ...{ type: "assistant", session_id: "ses-1", parent_tool_use_id: null, error },
    message: { id: "e1", role: "assistant", model: "<synthetic>", content: [{ type: "text", text }], usage: {} },
  }),
};

/** A turn's end tells the sum of its thread. */
function codexDone(turns: number): object {
  const [input, cached, written, output] = [500, 400, 6, 30].map((count) => count * turns);
  return {
    type: "turn.completed",
    usage: {
      ...{ input_tokens: input, cached_input_tokens: cached, cache_write_input_tokens: written },
      ...{ output_tokens: output, reasoning_output_tokens: 10 * turns },
    },
  };
}

/** What `codex exec --json` prints. */
export const codex = {
  started: { type: "thread.started", thread_id: "0199-thread" },
  command: (command: string) => ({
    type: "item.started",
    item: {
      id: "item_0",
      type: "command_execution",
      command,
      aggregated_output: "",
      exit_code: null,
      status: "in_progress",
    },
  }),
  message: (text: string) => ({ type: "item.completed", item: { id: "item_1", type: "agent_message", text } }),
  done: codexDone(1),
  /** `turns`: how many such turns its thread has had with this one. */
  doneAfter: codexDone,
  failed: (message: string) => ({ type: "turn.failed", error: { message } }),
};

function opencodeStep(reason: "stop" | "tool-calls" | "length"): object {
  return {
    ...{ type: "step_finish", timestamp: 1, sessionID: "ses_oc" },
    part: {
      ...{ type: "step-finish", reason, cost: 0.01 },
      tokens: { total: 63, input: 7, output: 3, reasoning: 2, cache: { read: 50, write: 1 } },
    },
  };
}

/** What `opencode run --format json` prints. */
export const opencode = {
  text: (text: string, messageID = "msg_1") => ({
    type: "text",
    timestamp: 1,
    sessionID: "ses_oc",
    part: { type: "text", messageID, text },
  }),
  tool: (tool: string, input: object) => ({
    type: "tool_use",
    timestamp: 1,
    sessionID: "ses_oc",
    part: { type: "tool", tool, state: { status: "completed", input, output: "" } },
  }),
  refused: (tool: string, input: object, error: string) => ({
    ...{ type: "tool_use", timestamp: 1, sessionID: "ses_oc" },
    part: { type: "tool", tool, state: { status: "error", input, error } },
  }),
  step: opencodeStep("stop"),
  stepOf: opencodeStep,
  error: (name: string, data: object) => ({ type: "error", timestamp: 1, sessionID: "ses_oc", error: { name, data } }),
};
