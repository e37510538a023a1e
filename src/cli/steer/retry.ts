/** `heddle retry` */

import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { sayJson } from "../screen/output.ts";
import { sayTaskIs } from "./say-state.ts";

export const retryCommand: Command = {
  name: "retry",
  group: "Steer",
  summary: "begin an ended task anew",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task" },
  ],
  flags: { json: { about: "the task as one JSON object" } },
  ask: "Name one run and one of its tasks.",
  about: `Begins a new generation of a task that has ended, from its start. Tasks that were skipped because of it wait again,
tasks that it had created are cancelled, and a run that had ended is open again.`,
  more: `Exit status: 0; 1 no such run or task, it has not ended, or the server refused; 2 usage; 3 server not reached.

Example, every failed task of a run:
  heddle show run_… --state failed --all --json | jq -r '.tasks[].id' | xargs -n 1 heddle retry run_…`,
  run: async ({ flags: { json }, words: [run, task] }) => {
    const view = await (await reach()).retryTask(run!, task!);
    if (json === true) sayJson(view);
    else sayTaskIs(view);
    return exitStatus.ok;
  },
};
