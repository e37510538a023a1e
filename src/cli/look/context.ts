/** `heddle context` */

import type { ContextView } from "../../client/replies.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { paintOf, say } from "../screen/output.ts";
import { UsageError } from "../usage.ts";
import { transcriptText } from "./transcript.ts";

export const contextCommand: Command = {
  name: "context",
  group: "Look",
  summary: "a task's whole transcript, or the run's own context",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task", optional: true },
  ],
  flags: {
    format: {
      value: "FORMAT",
      choices: ["text", "json"],
      about: "text (default) for people; json as stored, byte for byte",
    },
    json: { about: "the same as --format json" },
  },
  ask: "Name one run, and one of its tasks if you like.",
  about: `Prints what a task's model has seen and said: system text, messages, calls and their results.
Without TASK it is the run's own context, up to its head.`,
  more: `Exit status: 0; 1 no such run or task, or the server refused; 2 usage; 3 server not reached.

Example:
  heddle context run_… report --json | jq '.messages[-1]'`,
  run: async ({ flags, words: [run, task] }) => {
    if (flags.json === true && flags.format === "text")
      throw new UsageError("--json is --format json, and not text: leave out one of the two.", "context");
    const client = await reach();
    const text =
      task === undefined
        ? await client.snapshotText(run!, (await client.run(run!)).snapshot)
        : await client.taskContextText(run!, task);
    const isRaw = flags.json === true || flags.format === "json";
    say(isRaw ? text : transcriptText(JSON.parse(text) as ContextView, paintOf()));
    return exitStatus.ok;
  },
};
