/** `heddle fork` */

import type { ForkSource } from "../../client/requests.ts";
import { turnsNamedMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { say, sayJson } from "../screen/output.ts";
import { textsOf, UsageError, type Values, wholeNumber } from "../usage.ts";

export const forkCommand: Command = {
  name: "fork",
  group: "Run",
  summary: "a new run that begins with the context of another",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    snapshot: { value: "HASH", about: "begin with this snapshot of it; default: its head" },
    task: { value: "TASK", names: "task", without: ["snapshot"], about: "begin with the newest snapshot of this task" },
    turn: { value: "N", about: "of --task: with what it had before the request of turn N + 1" },
    name: { value: "NAME", about: "name of the new run" },
    json: { about: "the new run as one JSON object" },
  },
  ask: "Name one run.",
  about: `Creates a run whose context is that of another one, live or ended: the same messages, byte for byte, under the same
snapshot. Its tools come along; its tasks, variables and limits do not. Prints the new run's id.`,
  more: `Exit status: 0; 1 no such run, snapshot, task or turn, or the server refused; 2 usage; 3 server not reached.

Example, another try from the third turn of a run's task:
  heddle fork run_… --task plan --turn 3 --name "plan, again"`,
  run: async ({ flags, words: [run] }) => {
    const from = sourceOf(flags, run!);
    const view = await (await reach()).createRun({ from, ...textsOf(flags, "name") });
    if (flags.json === true) sayJson(view);
    else say(view.id);
    return exitStatus.ok;
  },
};

function sourceOf(flags: Values, run: string): ForkSource {
  const turn = wholeNumber(flags, "turn", { min: 1, max: turnsNamedMax });
  if (turn !== undefined && flags.task === undefined) throw new UsageError("--turn needs --task.", "fork");
  return {
    run,
    ...textsOf(flags, "snapshot", "task"),
    ...(turn !== undefined && { turn }),
  };
}
