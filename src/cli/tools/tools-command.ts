/** `heddle tools`, as the table of commands has it. */

import type { Command } from "../command.ts";
import { tools } from "./tools.ts";

export const toolsCommand: Command = {
  name: "tools",
  group: "Work",
  summary: "carry out calls of a run's own tools",
  rest: "COMMAND [ARGUMENT…]",
  flags: {
    pool: { value: "NAME", required: true, about: "the pool to serve" },
    tool: { value: "NAME", many: true, about: "only calls of this tool; may be given several times" },
    concurrency: { value: "N", about: "calls at once (default 1)" },
    "json-lines": { about: "one COMMAND for all calls, instead of one for each" },
    workspace: { value: "DIR", names: "file", about: "ready-made tools on the files below DIR, and no COMMAND" },
    "read-only": { about: "of a workspace: no write_file, edit_file and run_command" },
    "allow-commands": { about: "of a workspace: run_command runs whatever the model asks for, in a shell, as you" },
    "allow-command": {
      value: "WORDS",
      many: true,
      about: "of a workspace: run_command runs commands that begin with these words; may be given several times",
    },
    "print-tools": { about: "print a workspace's tools as a run declares them, and exit (--pool: default workspace)" },
    "until-idle": { value: "SECONDS", about: "exit when there was no call for so long" },
    "max-load": { value: "PERCENT", about: "as of `heddle work` (default 90)" },
    json: { about: "one JSON object per line on stdout instead of text" },
  },
  about: `Carries out calls of tools that runs declare with this pool: a task that Heddle hosts calls one, and waits without a worker
until the result is there. By COMMAND, or by ready-made tools on a folder: --workspace takes its place.

Arguments are UNTRUSTED INPUT: a model wrote them, after reading text from anywhere.`,
  more: `A command for each call gets
  stdin                 the arguments as JSON
  HEDDLE_TOOL_FILE      the same, as a file
  HEDDLE_TOOL           the tool's name
  HEDDLE_TOOL_CALL      the call's idempotency key: the same when it is tried again
  HEDDLE_RUN, HEDDLE_TASK_ID, HEDDLE_TASK_KEY  whose call it is
  HEDDLE_REPORT_FILE    as of \`heddle work\`
and answers with
  stdout                the result: JSON if all of it is an object or array, else text without its last newline; at most 1 MiB
  exit status           0 a result; 75 a failure that may be tried again; anything else an error for the model, with the end
                        of stderr (or of stdout where that is empty)

With --json-lines the command runs once. It reads lines {"id", "tool", "arguments", "idempotency_key", "attempt",
"timeout_at", "run", "task"} and writes, in any order,
  {"id", "result"}                          any JSON; with "is_error": true an error for the model
  {"id", "error": {"code", "message"}}      an error for the model; with "retryable": true the call is tried again
  {"id", "progress": {"message", "fraction"}}
A line {"id", "cancel": true} says that a call is not wanted any more. When the process ends its open calls are tried again,
and it is started anew. What it writes to stderr is shown.

With --workspace the tools are read_file, write_file, edit_file, list_files, search and run_command, on the files below DIR.
--allow-commands is for a container or a machine that you can lose. --allow-command "npm test" starts commands with these first
words, without a shell; what such a command then does is up to it. Without either, run_command answers that commands are not
allowed.
No tool leaves DIR: absolute paths, ".." and links that lead out are refused, and so is writing below .git. A command that
runs is bound by nothing but the system: it can read what you can.

Programs that carry out calls get your environment without Heddle's variables and without ANTHROPIC_API_KEY and OPENAI_API_KEY.
A lease that is lost, signals and exit status: as of \`heddle work\`.

Examples:
  heddle tools --pool files --workspace . --allow-command "npm test"
  heddle tools --pool crm --tool find_customer -- node find-customer.mjs`,
  run: tools,
};
