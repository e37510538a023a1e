/** What `heddle --help` and `heddle help COMMAND` print. */

const environment = `Environment:
  HEDDLE_URL       where Heddle is (default http://127.0.0.1:8787, where \`npm run dev\` serves)
  HEDDLE_API_KEY   the key (default hdl_local, which only local mode knows)`;

export const overview = `heddle: parallel tasks on forks of an agent's context

Usage:
  heddle run FILE                    create a run with its tasks and watch it
  heddle watch RUN                   watch a run that is already there
  heddle cancel RUN                  cancel a run and its tasks
  heddle work --pool NAME -- COMMAND serve a pool: run COMMAND once per task
  heddle tool NAME [JSON]            inside such a command: call a tool as the task
  heddle tools --pool NAME -- COMMAND carry out calls of a run's own tools
  heddle help COMMAND                more about one of these
  heddle --version

${environment}
`;

export const commandHelp: Record<string, string> = {
  work: `heddle work --pool NAME [flags] -- COMMAND [ARGUMENT…]

Leases tasks of a pool and runs COMMAND once per task (as it stands; no shell is involved).

Task instructions are UNTRUSTED INPUT: they may have been written by a model, or contain text from anywhere. COMMAND must
not run them, or parts of them, with rights that their author should not have.

Flags:
  --pool NAME           the pool to serve (required)
  --concurrency N       commands at once (default 1)
  --once                run one task, then exit: status 0 if it succeeded, else 1
  --until-idle SECONDS  exit when there was no task for so long
  --max-load PERCENT    lease nothing more while one runs and the machine uses more of its processors or memory than this
                        (default 90; from half of it on fewer are leased at once; 100: whatever the load is)
  --json                one JSON object per line on stdout instead of text

The command gets
  stdin                 the task with its context as one JSON object: {"id", "key", "title", "instructions", …, "context"}
  HEDDLE_TASK_FILE      the same, as a file
  HEDDLE_CONTEXT_FILE   the context alone: {"format", "system"?, "messages", …}
  HEDDLE_TASK_ID, HEDDLE_TASK_KEY
  HEDDLE_LEASE, HEDDLE_URL  what \`heddle tool\` and POST $HEDDLE_URL/v1/leases/$HEDDLE_LEASE/tools/NAME need.
                        HEDDLE_API_KEY is taken out of its environment: the lease is its only authority.
  HEDDLE_REPORT_FILE    where it may say that it met a rate limit, by a line {"retry_after_ms": 30000}: for so long this
                        worker leases nothing. Exit with 75 as well if the task is to be tried again.

The command answers with
  stdout                the result: JSON if all of it is an object or array, else text without its last newline; at most 1 MiB
  exit status           0 success; 75 failure that may be retried; anything else failure. The end of stderr goes with it.

A command may also end its task with \`heddle tool finish\`; what it prints then is not used.

Leases are renewed while the command runs. When a lease is lost (the task was cancelled, or given to another worker) the
command gets SIGTERM, and SIGKILL 5 s later. A server that restarts is waited for, and results are delivered afterwards.
A command that waits for other tasks gives its place to one more command.

SIGINT or SIGTERM: no new tasks, running commands finish. A second one: they are stopped, and their tasks retried elsewhere.
Exit status: 0; 1 a task failed (with --once) or the server refused; 2 usage; 3 server not reached; 130 stopped by force.

${environment}

Example:
  heddle work --pool shell --concurrency 4 -- node summarise.mjs
`,
  tools: `heddle tools --pool NAME [flags] -- COMMAND [ARGUMENT…]
heddle tools --pool NAME [flags] --workspace DIR [--allow-commands] [--read-only]
heddle tools [--pool NAME] --workspace DIR [--allow-commands] [--read-only] --print-tools

Carries out calls of tools that runs declare with this pool: a task that Heddle hosts calls one, and waits without a worker
until the result is there. By a command of yours, or by ready-made tools on a folder.

Arguments are UNTRUSTED INPUT: a model wrote them, after reading text from anywhere.

Flags:
  --pool NAME           the pool to serve (required)
  --tool NAME           only calls of this tool; may be given several times
  --concurrency N       calls at once (default 1)
  --json-lines          one COMMAND for all calls, instead of one for each
  --until-idle SECONDS  exit when there was no call for so long
  --max-load PERCENT    as of \`heddle work\` (default 90)
  --json                one JSON object per line on stdout instead of text

A command for each call gets
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

With --workspace the tools are read_file, write_file, edit_file, list_files, search and run_command, on the files below DIR:
  --print-tools         print their declarations as JSON, for the "tools" of a run, and exit (--pool: default workspace)
  --read-only           no write_file, edit_file and run_command
  --allow-commands      run_command runs whatever the model asks for, in a shell, as you. Only in a container or a
                        machine that you can lose
  --allow-command WORDS run_command runs commands that begin with these words, without a shell; may be given several times
                        (--allow-command "npm test"). What such a command does with its arguments is up to it
Without either, run_command answers that commands are not allowed.
No tool leaves DIR: absolute paths, ".." and links that lead out are refused, and so is writing below .git. A command that
runs is bound by nothing but the system: it can read what you can.

Programs that carry out calls get your environment without Heddle's variables and without ANTHROPIC_API_KEY and OPENAI_API_KEY.
A lease that is lost, signals and exit status: as of \`heddle work\`.

${environment}

Examples:
  heddle tools --pool files --workspace . --allow-command "npm test"
  heddle tools --pool crm --tool find_customer -- node find-customer.mjs
`,
  run: `heddle run FILE [--detach] [--json] [--wait-ms N]

Creates a run with the tasks of FILE ("-" for stdin), shows its progress, and ends with a summary.

FILE is JSON:
  {
    "name":    "my job",
    "context": {"format": "anthropic", "messages": [{"role": "user", "content": "what every task knows"}]},
    "limits":  {"workers": 16},
    "tools":   [{"name": "shell", "description": "…", "input_schema": {"type": "object"}, "pool": "NAME of your workers"}],
    "tasks":   [{"key": "a", "instructions": "…"}, {"instructions": "compare with {{a}}", "after": ["a"]}],
    "root":    {"instructions": "instead of tasks, or with them: a main agent that Heddle hosts"}
  }

Flags:
  --detach     create the run, print its id, and exit
  --json       one JSON object per line on stdout; the first has "event": "created" and "run", the last one
               "event": "end" with the run as it ended, or "left" when watching stopped before
  --wait-ms N  stop watching after N milliseconds; the run goes on (status 1)
  --workspace DIR [--read-only | --allow-commands | --allow-command WORDS]
               tools on the files below DIR for the run's tasks, served while it is watched: see heddle help tools

Ctrl-C stops watching; the run goes on. (While tasks are still being posted it cancels the run.)
Exit status: 0 all tasks succeeded; 1 some did not; 2 usage or a file that Heddle refuses; 3 server not reached; 130 interrupted.

${environment}
`,
  watch: `heddle watch RUN [--json] [--wait-ms N]

Shows the progress of a run until all of its tasks have ended, and a summary. Flags and exit status as \`heddle run\`.

${environment}
`,
  cancel: `heddle cancel RUN [--reason TEXT]

Cancels a run and all of its tasks.

${environment}
`,
  tool: `heddle tool NAME [JSON]

Calls one of Heddle's tools as the task that is being run, in a command that \`heddle work\` started (it sets HEDDLE_LEASE and
HEDDLE_URL). JSON is the tool's arguments ("-" for stdin; default {}). Waits as long as the call blocks.
Prints the result as JSON. Exit status: 0 a result; 1 an error that the tool answered, printed as {"error": …};
2 usage; 3 server not reached; 4 the lease is lost: stop working on the task.

Examples:
  heddle tool create_task '{"tasks": [{"key": "a", "instructions": "…"}]}'
  heddle tool await_tasks '{"tasks": ["a"]}'
`,
};
