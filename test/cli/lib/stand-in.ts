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
  /** The text of the file that names the MCP server. */
  readonly mcp?: string;
}

const program = (folder: string) => `#!${process.execPath}
const fs = require("fs");
const args = process.argv.slice(2);
if (args[0] === "--version") { console.log("9.8.7 (stand-in)"); process.exit(); }
const stdin = fs.readFileSync(0, "utf8");
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(HEDDLE|OPENCODE)_/.test(name)));
const file = args[args.indexOf("--mcp-config") + 1 || -1] ?? process.env.OPENCODE_CONFIG;
const mcp = file && fs.readFileSync(file, "utf8");
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

const claudeUsage = {
  input_tokens: 10,
  output_tokens: 20,
  cache_read_input_tokens: 300,
  cache_creation_input_tokens: 4,
};

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
  done: (result: string) => ({
    ...{ type: "result", subtype: "success", is_error: false, session_id: "ses-1", num_turns: 2, result },
    ...{ total_cost_usd: 0.25, usage: claudeUsage },
  }),
  failed: (more: object) => ({ type: "result", is_error: true, session_id: "ses-1", usage: claudeUsage, ...more }),
};

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
  done: { type: "turn.completed", usage: { input_tokens: 500, cached_input_tokens: 400, output_tokens: 30 } },
  failed: (message: string) => ({ type: "turn.failed", error: { message } }),
};

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
  step: {
    type: "step_finish",
    timestamp: 1,
    sessionID: "ses_oc",
    part: {
      type: "step-finish",
      cost: 0.01,
      tokens: { input: 7, output: 3, reasoning: 2, cache: { read: 50, write: 1 } },
    },
  },
  error: (name: string, data: object) => ({ type: "error", timestamp: 1, sessionID: "ses_oc", error: { name, data } }),
};
