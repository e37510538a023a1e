/** `heddle delete` */

import type { RunView } from "../../client/replies.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { oneLine } from "../plain-text.ts";
import { countsText } from "../run/counts.ts";
import { type Asking, answerTo, requireYesOrTerminal } from "../screen/ask.ts";
import { note, say, sayJson } from "../screen/output.ts";

export const deleteCommand: Command = {
  name: "delete",
  group: "Steer",
  summary: "delete a run with everything it has",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    yes: { about: "don't ask; needed where there is no terminal to ask on" },
    json: { about: '{"deleted": RUN} as one JSON object' },
  },
  ask: "Name one run.",
  about: `Deletes a run with its tasks, results, contexts, variables and log, for good. It asks before it does.
A run that still works is ended by that, without a trace.`,
  more: `Exit status: 0 deleted; 1 not deleted: you said no, no such run, or the server refused; 2 usage, or nobody to ask;
3 server not reached.`,
  run: async ({ flags, words: [id] }) => {
    requireYesOrTerminal(flags, "delete");
    const client = await reach();
    const run = await client.run(id!);
    if (flags.yes !== true && !(await agreed(run))) {
      note("Nothing was deleted.");
      return exitStatus.failed;
    }
    await client.deleteRun(run.id);
    if (flags.json === true) sayJson({ deleted: run.id });
    else say(`${run.id} is deleted.`);
    return exitStatus.ok;
  },
};

/** Whether somebody says yes. */
export async function agreed(
  { id, name, status, counts }: Pick<RunView, "id" | "name" | "status" | "counts">,
  asking?: Asking,
): Promise<boolean> {
  const named = name === null ? "" : ` "${oneLine(name)}"`;
  const question = `Delete ${id}${named} (${status}; ${countsText(counts)}) for good? [y/N] `;
  return /^y(es)?$/i.test(await answerTo(question, asking));
}
