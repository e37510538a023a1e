/**
 * How each harness is called: data, and nothing else. `{…}` in a word is filled in for each lease; what is made of the
 * harness's output is its reader's (reader-*.ts).
 *
 * The task itself goes to the harness's stdin and never stands on a command line: other users of the machine can see those.
 */

import type { ReaderName } from "./readers.ts";

export interface Recipe {
  /** As people call it. */
  readonly title: string;
  /** The program, on the PATH. */
  readonly command: string;
  /** `{extra}` alone is where the arguments after "--" go, `{session}` alone where `fork` or `goOn` goes. */
  readonly args: readonly string[];
  /** Begins with a copy of a session, which stays as it is; absent: it can't. */
  readonly fork?: readonly string[];
  /** A copy can be begun in the folder of the session alone that it is of: elsewhere it waits for ever. */
  readonly forksInPlace?: true;
  /** Goes on with the session that it has just had: it is told what is wrong with its answer. */
  readonly goOn: readonly string[];
  /** The file `{mcp_file}`: where Heddle's MCP server is. `{url}` and `{token}` are replaced in strings. */
  readonly mcpFile?: object;
  /** Added to its environment, `{url}` and `{token}` replaced; it has HEDDLE_URL and HEDDLE_LEASE as any command has. */
  readonly env?: Readonly<Record<string, string>>;
  /** A file's name after "@" in its prompt is that file's text, whatever it may read: no task's text is to have that done. */
  readonly readsMentions?: true;
  readonly reader: ReaderName;
  /** What to do when it is not logged in, and when it is not there. */
  readonly logIn: string;
  readonly install: string;
}

export const recipes = {
  claude: {
    title: "Claude Code",
    command: "claude",
    args: [
      ...["-p", "--output-format", "stream-json", "--verbose"],
      ...["--mcp-config", "{mcp_file}", "--allowedTools", "mcp__heddle", "{session}", "{extra}"],
    ],
    fork: ["--resume", "{session_id}", "--fork-session"],
    goOn: ["--resume", "{session_id}"],
    mcpFile: {
      mcpServers: { heddle: { type: "http", url: "{url}", headers: { Authorization: "Bearer {token}" } } },
    },
    readsMentions: true,
    reader: "claude",
    logIn: "Run `claude` once on this machine and log in, or set ANTHROPIC_API_KEY for the worker.",
    install: "npm install -g @anthropic-ai/claude-code",
  },
  codex: {
    title: "Codex",
    command: "codex",
    args: [
      ...["exec", "--json"],
      ...["-c", 'mcp_servers.heddle.url="{url}"'],
      ...["-c", 'mcp_servers.heddle.bearer_token_env_var="HEDDLE_LEASE"'],
      ...["-c", 'mcp_servers.heddle.default_tools_approval_mode="approve"'],
      ...["{extra}", "{session}", "-"],
    ],
    goOn: ["resume", "{session_id}"],
    reader: "codex",
    logIn: "Run `codex login` on this machine, or set CODEX_API_KEY for the worker.",
    install: "npm install -g @openai/codex",
  },
  opencode: {
    title: "opencode",
    command: "opencode",
    args: ["run", "--format", "json", "{session}", "{extra}"],
    fork: ["--session", "{session_id}", "--fork"],
    forksInPlace: true,
    goOn: ["--session", "{session_id}"],
    env: {
      // It stands above all other configuration; older versions replace no variables in it. A call that is refused is told to its model, as others do: else it would end there.
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        mcp: {
          heddle: {
            ...{ type: "remote", url: "{url}", enabled: true },
            headers: { Authorization: "Bearer {token}" },
          },
        },
        experimental: { continue_loop_on_deny: true },
      }),
    },
    reader: "opencode",
    logIn: "Run `opencode auth login` on this machine, or set the provider's key for the worker.",
    install: "npm install -g opencode-ai",
  },
} as const satisfies Record<string, Recipe>;

export type HarnessName = keyof typeof recipes;

export const harnessNames = Object.keys(recipes) as HarnessName[];

export const recipeOf = (name: HarnessName): Recipe => recipes[name];
