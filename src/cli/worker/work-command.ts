/** `heddle work`, as the table of commands has it. */

import type { Command } from "../command.ts";
import { harnessNames } from "./harness/recipes.ts";
import { work } from "./work.ts";

export const workCommand: Command = {
  name: "work",
  group: "Work",
  summary: "serve a pool: run COMMAND, or a harness of yours, once per task",
  rest: "COMMAND [ARGUMENT…]",
  flags: {
    pool: { value: "NAME", required: true, about: "the pool to serve" },
    concurrency: { value: "N", about: "commands at once (default 1)" },
    once: { about: "run one task, then exit: status 0 if it succeeded, else 1" },
    "until-idle": { value: "SECONDS", about: "exit when there was no task for so long" },
    "max-load": {
      value: "PERCENT",
      about: "lease nothing more while one runs and the machine is busier than this (default 90; 100: whatever it is)",
    },
    harness: {
      value: "NAME",
      choices: harnessNames,
      about: "Claude Code, Codex or opencode carries out the tasks; what stands after -- is added to its command line",
    },
    session: { value: "ID", about: "with --harness: each task begins with a copy of this session of it" },
    worktree: {
      value: "HOW",
      choices: ["merge", "branch"],
      about: "with --harness: each task in a git worktree; its work is then merged, or left as a branch heddle/…",
    },
    print: { without: ["json"], about: "with --harness: show the command line and the files, and run nothing" },
    json: { about: "one JSON object per line on stdout instead of text" },
  },
  about: `Leases tasks of a pool and runs COMMAND once per task (as it stands; no shell is involved), or starts a harness that
knows by itself what to do with a task (docs/harnesses.md).

Task instructions are UNTRUSTED INPUT: they may have been written by a model, or contain text from anywhere. COMMAND must
not run them, or parts of them, with rights that their author should not have. A harness runs with its own safe defaults;
each right that you add after -- is one that whoever could write those texts has, too.`,
  more: `The command gets
  stdin                 the task with its context as one JSON object: {"id", "key", "title", "instructions", …, "context"}
  HEDDLE_TASK_FILE      the same, as a file
  HEDDLE_CONTEXT_FILE   the context alone: {"format", "system"?, "messages", …}
  HEDDLE_TASK_ID, HEDDLE_TASK_KEY
  HEDDLE_LEASE, HEDDLE_URL  what \`heddle tool\` and POST $HEDDLE_URL/v1/leases/$HEDDLE_LEASE/tools/NAME need.
                        HEDDLE_API_KEY is taken out of its environment, and so are a deployment's secrets
                        (HEDDLE_ADMIN_SECRET and the like): the lease is its only authority.
  HEDDLE_REPORT_FILE    where it may say that it met a rate limit, by a line {"retry_after_ms": 30000}: for so long this
                        worker leases nothing. Exit with 75 as well if the task is to be tried again.

The command answers with
  stdout                the result: JSON if all of it is an object or array, else text without its last newline; at most 1 MiB
  exit status           0 success; 75 failure that may be retried; anything else failure. The end of stderr goes with it.

A command may also end its task with \`heddle tool finish\`; what it prints then is not used.

Leases are renewed while the command runs. When a lease is lost (the task was cancelled, timed out or was given away) the
command gets SIGTERM, and SIGKILL 5 s later. A server that restarts is waited for, and results are delivered afterwards.
A command that waits for other tasks gives its place to one more command.

SIGINT or SIGTERM: no new tasks, running commands finish. A second one: they are stopped, and their tasks retried elsewhere.
A worker that is killed leaves nothing behind: a process beside it ends its commands, and their tasks are retried after 30 s.
Exit status: 0; 1 a task failed (with --once) or the server refused; 2 usage; 3 server not reached; 130 stopped by force.

Examples:
  heddle work --pool shell --concurrency 4 -- node summarise.mjs
  heddle work --harness claude --print
  heddle work --pool code --harness claude --worktree merge -- --permission-mode acceptEdits`,
  run: work,
};
