/** `heddle retry` */

import { turnsNamedMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { sayJson } from "../screen/output.ts";
import { wholeNumber } from "../usage.ts";
import { sayTaskIs } from "./say-state.ts";

export const retryCommand: Command = {
  name: "retry",
  group: "Steer",
  summary: "begin an ended task anew",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task" },
  ],
  flags: {
    "from-turn": { value: "N", about: "go on after its turn N instead (heddle turns lists them)" },
    json: { about: "the task as one JSON object" },
  },
  ask: "Name one run and one of its tasks.",
  about: `Begins a new generation of a task that has ended, from its start. Tasks that were skipped because of it wait again,
tasks that it had created are cancelled, and a run that had ended is open again.
With --from-turn it goes on as it was before the request of turn N + 1: what came later is void, earlier tasks of its stay.`,
  more: `Exit status: 0; 1 no such run, task or turn, it has not ended, or the server refused; 2 usage; 3 server not reached.

Example, every failed task of a run:
  heddle show run_… --state failed --all --json | jq -r '.tasks[].id' | xargs -n 1 heddle retry run_…`,
  run: async ({ flags, words: [run, task] }) => {
    const turn = wholeNumber(flags, "from-turn", { min: 0, max: turnsNamedMax });
    const view = await (await reach()).retryTask(run!, task!, turn === undefined ? {} : { from_turn: turn });
    if (flags.json === true) sayJson(view);
    else sayTaskIs(view);
    return exitStatus.ok;
  },
};
