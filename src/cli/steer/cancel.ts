/** `heddle cancel` */

import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { sayJson } from "../screen/output.ts";
import { sayRunIs, sayTaskIs } from "./say-state.ts";

export const cancelCommand: Command = {
  name: "cancel",
  group: "Steer",
  summary: "cancel a run, or one of its tasks",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task", optional: true },
  ],
  flags: {
    reason: { value: "TEXT", about: "for the record" },
    json: { about: "the run, or the task, as one JSON object" },
  },
  ask: "Name one run, and one of its tasks if you mean only that.",
  about: `Cancels a run with all of its tasks, or one task with everything under it. Tasks that depend on it are skipped.
What runs ends at its next turn; what it has already done stays done.`,
  more: "Exit status: 0; 1 no such run or task, the run has ended, or the server refused; 2 usage; 3 server not reached.",
  run: async ({ flags: { reason, json }, words: [run, task] }) => {
    const client = await reach();
    const body = typeof reason === "string" ? { reason } : {};
    if (task === undefined) {
      const view = await client.cancelRun(run!, body);
      if (json === true) sayJson(view);
      else sayRunIs(view);
    } else {
      const view = await client.cancelTask(run!, task, body);
      if (json === true) sayJson(view);
      else sayTaskIs(view);
    }
    return exitStatus.ok;
  },
};
