import type { Command } from "./command.ts";
import { reach } from "./connection.ts";
import { exitStatus } from "./exit-status.ts";

export const cancelCommand: Command = {
  name: "cancel",
  group: "Steer",
  summary: "cancel a run and its tasks",
  words: [{ name: "RUN", names: "run" }],
  flags: { reason: { value: "TEXT", about: "for the record" } },
  ask: "Name one run.",
  about: "Cancels a run and all of its tasks.",
  run: async ({ flags: { reason }, words: [run] }) => {
    const cancelled = await (await reach()).cancelRun(run!, typeof reason === "string" ? { reason } : {});
    console.log(`${cancelled.id} is ${cancelled.status}.`);
    return exitStatus.ok;
  },
};
