/** `heddle delete` */

import { createInterface } from "node:readline/promises";
import type { RunView } from "../../client/replies.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { oneLine } from "../plain-text.ts";
import { countsText } from "../run/counts.ts";
import { say, sayJson } from "../screen/output.ts";
import { seeHelp, UsageError } from "../usage.ts";

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
    const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true;
    if (flags.yes !== true && !canAsk)
      throw new UsageError(`There is no terminal to ask on; --yes says that you mean it.\n${seeHelp("delete")}`);
    const client = await reach();
    const run = await client.run(id!);
    if (flags.yes !== true && !(await agreed(run, { input: process.stdin, output: process.stderr }))) {
      process.stderr.write("Nothing was deleted.\n");
      return exitStatus.failed;
    }
    await client.deleteRun(run.id);
    if (flags.json === true) sayJson({ deleted: run.id });
    else say(`${run.id} is deleted.`);
    return exitStatus.ok;
  },
};

/** Whether somebody says yes; the end of the input is no answer. */
export async function agreed(
  run: Pick<RunView, "id" | "name" | "status" | "counts">,
  { input, output }: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream },
): Promise<boolean> {
  const name = run.name === null ? "" : ` "${oneLine(run.name)}"`;
  const terminal = createInterface({ input, output });
  try {
    const closed = new Promise<undefined>((resolve) => {
      terminal.once("close", () => resolve(undefined));
    });
    const question = `Delete ${run.id}${name} (${run.status}; ${countsText(run.counts)}) for good? [y/N] `;
    const answer = await Promise.race([terminal.question(question), closed]);
    // Ctrl-D leaves the cursor behind the question.
    if (answer === undefined) output.write("\n");
    return answer !== undefined && /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
