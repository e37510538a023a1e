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
  --json                one JSON object per line on stdout instead of text

The command gets
  stdin                 the task with its context as one JSON object: {"id", "key", "title", "instructions", …, "context"}
  HEDDLE_TASK_FILE      the same, as a file
  HEDDLE_CONTEXT_FILE   the context alone: {"format", "system"?, "messages", …}
  HEDDLE_TASK_ID, HEDDLE_TASK_KEY
  HEDDLE_LEASE, HEDDLE_URL  what \`heddle tool\` and POST $HEDDLE_URL/v1/leases/$HEDDLE_LEASE/tools/NAME need.
                        HEDDLE_API_KEY is taken out of its environment: the lease is its only authority.

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
