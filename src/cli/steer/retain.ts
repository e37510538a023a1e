/** `heddle retain` */

import { retentionDaysMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { say, sayJson } from "../screen/output.ts";
import { UsageError } from "../usage.ts";

export const retainCommand: Command = {
  name: "retain",
  group: "Steer",
  summary: "say how long a run is kept after its end",
  words: [{ name: "RUN", names: "run" }, { name: "DAYS" }],
  flags: { json: { about: "the run as one JSON object" } },
  ask: "Name one run, and for how many days after its end it is kept.",
  about: `A run that has ended is deleted after a while with all that it has: after 30 days, unless the deployment or the run says
otherwise. This says it of one run, before its end or after it: DAYS are counted from the end. For what is to be kept for good
there is heddle export.`,
  more: `Exit status: 0; 1 no such run (any more), or the server refused; 2 usage; 3 server not reached.

Examples:
  heddle retain run_… 365`,
  run: async ({ flags, words: [id, text] }) => {
    const days = Number(text);
    if (!/^\d+$/.test(text!) || days < 1 || days > retentionDaysMax)
      throw new UsageError(`DAYS is "${text}"; it must be a whole number from 1 to ${retentionDaysMax}.`, "retain");
    const run = await (await reach()).retainRun(id!, { days });
    if (flags.json === true) sayJson(run);
    else if (run.expires_at === null) say(`${run.id} is kept for ${daysText(days)} after its end.`);
    else say(`${run.id} is kept until ${dateTime(run.expires_at)}, ${daysText(days)} after its end.`);
    return exitStatus.ok;
  },
};

const daysText = (days: number): string => (days === 1 ? "a day" : `${days} days`);
