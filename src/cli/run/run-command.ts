/** `heddle run` and `heddle watch`, as the table of commands has them. */

import type { Command } from "../command.ts";
import { jobFormats } from "./job-file.ts";
import { run, watch } from "./run.ts";

const waitFlag = { value: "N", about: "stop watching after N milliseconds; the run goes on (status 1)" } as const;

export const runCommand: Command = {
  name: "run",
  group: "Run",
  summary: "create a run with its tasks and watch it",
  words: [{ name: "FILE", names: "file" }],
  flags: {
    format: {
      value: "FORMAT",
      choices: jobFormats,
      about: "what FILE is: json, yaml or markdown (default: what its name ends in says; stdin is JSON)",
    },
    rules: { value: "RULES", names: "file", about: "a file of rules that hold for the run: see heddle help rules" },
    detach: { without: ["wait-ms"], about: "create the run, print its id, and exit" },
    json: {
      about: `one JSON object per line on stdout; the first has "event": "created" and "run", the last one
"event": "end" with the run as it ended, or "left" when watching stopped before`,
    },
    "wait-ms": waitFlag,
    workspace: {
      value: "DIR",
      names: "file",
      about: "tools on the files below DIR for the run's tasks, served while it is watched: see heddle help tools",
    },
    "read-only": { about: "of a workspace: no write_file, edit_file and run_command" },
    "allow-commands": { about: "of a workspace: run_command runs whatever the model asks for, in a shell, as you" },
    "allow-command": { value: "WORDS", many: true, about: "of a workspace: commands that begin with these words" },
  },
  ask: 'Name one file, or "-" for stdin.',
  about: `Creates a run with the tasks of FILE ("-" for stdin), shows its progress, and ends with a summary.

FILE is JSON, YAML (.yaml, .yml) with the same fields, or Markdown (.md). In JSON:
  {
    "name":    "my job",
    "context": {"format": "anthropic", "messages": [{"role": "user", "content": "what every task knows"}]},
    "limits":  {"workers": 16},
    "rules":   "- at most 2 workers for label \\"browser\\"",
    "tools":   [{"name": "shell", "description": "…", "input_schema": {"type": "object"}, "pool": "NAME of your workers"}],
    "tasks":   [{"key": "a", "instructions": "…"}, {"instructions": "compare with {{a}}", "after": ["a"]}],
    "defaults": {"priority": 7},
    "root":    {"instructions": "instead of tasks, or with them: a main agent that Heddle hosts"}
  }
Each task has what "defaults" says unless it says otherwise. "groups" and "policy" say what a failure means for
others (docs/failures.md). In Markdown:
  ---
  name: my job                        front matter: the fields above, but for tasks, as YAML
  limits: {workers: 16}
  ---
  What every task knows: a message of the run's context.

  ## a: Read the sources              a task: its key and title, or a title alone
  - priority: 9                       its settings, or as a fenced yaml block
  - after: other-task
  What it is to do.`,
  more: `Ctrl-C stops watching; the run goes on. (While tasks are still being posted it cancels the run.)
Exit status: 0 all tasks succeeded; 1 some did not; 2 usage or a file that Heddle refuses; 3 server not reached; 130 interrupted.`,
  run,
};

export const watchCommand: Command = {
  name: "watch",
  group: "Run",
  summary: "watch a run that is already there",
  words: [{ name: "RUN", names: "run" }],
  flags: { json: { about: "one JSON object per line on stdout, as `heddle run`" }, "wait-ms": waitFlag },
  ask: "Name one run.",
  about: "Shows the progress of a run until all of its tasks have ended, and a summary.",
  more: "Exit status: as `heddle run`.",
  run: watch,
};
