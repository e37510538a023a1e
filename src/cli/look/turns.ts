/** `heddle turns` */

import type { TurnView } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { allRows } from "../all-rows.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { clockTime } from "../plain-text.ts";
import { sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";

export const turnsCommand: Command = {
  name: "turns",
  group: "Look",
  summary: "a task's turns, from each of which it can be retried",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task" },
  ],
  flags: { json: { about: 'one JSON object per turn: {"turn", "generation", "snapshot", "usage", "calls", …}' } },
  ask: "Name one run and one of its tasks.",
  about: `Lists the turns of the task's present generation: when, how long the model took, its tokens, and the tools that the reply
called. heddle retry --from-turn goes back to one; heddle fork begins another run with one.`,
  more: `Exit status: 0; 1 no such run or task, or the server refused; 2 usage; 3 server not reached.

Example, the calls of each turn:
  heddle turns run_… plan --json | jq -c '[.turn, .calls[].name]'`,
  run: async ({ flags, words: [run, task] }) => {
    const client = await reach();
    const turns = await allRows(
      (page) => client.turns(run!, task!, page),
      (page) => page.turns,
    );
    sayRows(flags, turns, columns, "It has no turn yet.");
    return exitStatus.ok;
  },
};

const columns: readonly Column<TurnView>[] = [
  { title: "TURN", of: ({ turn }) => turn, align: "right" },
  { title: "AT", of: ({ at }) => clockTime(at) },
  { title: "MODEL", of: ({ model_ms }) => (model_ms === null ? "" : duration(model_ms)), align: "right" },
  { title: "IN", of: ({ usage }) => usage.input_tokens, align: "right" },
  { title: "OUT", of: ({ usage }) => usage.output_tokens, align: "right" },
  { title: "SNAPSHOT", of: ({ snapshot }) => snapshot },
  { title: "CALLS", of: ({ calls }) => calls.map(({ name }) => name).join(", "), least: 12 },
];
