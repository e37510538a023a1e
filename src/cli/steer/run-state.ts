/** `heddle pause`, `heddle resume` and `heddle finish`: what is done to a run as a whole, and undone. */

import type { Heddle } from "../../client/heddle.ts";
import type { RunView } from "../../client/replies.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { sayJson } from "../screen/output.ts";
import { sayRunIs } from "./say-state.ts";

const onRun =
  (change: (client: Heddle, run: string, flags: Given["flags"]) => Promise<RunView>): Command["run"] =>
  async ({ flags, words: [run] }) => {
    const view = await change(await reach(), run!, flags);
    if (flags.json === true) sayJson(view);
    else sayRunIs(view);
    return exitStatus.ok;
  };

const words = [{ name: "RUN", names: "run" }] as const;
const json = { about: "the run as one JSON object" };
const ask = "Name one run.";

export const pauseCommand: Command = {
  name: "pause",
  group: "Steer",
  summary: "start no more tasks of a run",
  words,
  flags: { json },
  ask,
  about: "Pauses a run: nothing new is started, turns that are under way end. `heddle resume` goes on.",
  more: "Exit status: 0; 1 no such run, it has ended, or the server refused; 2 usage; 3 server not reached.",
  run: onRun((client, run) => client.pauseRun(run)),
};

export const resumeCommand: Command = {
  name: "resume",
  group: "Steer",
  summary: "go on after a pause",
  words,
  flags: { json },
  ask,
  about:
    "Goes on with a run that was paused. One that paused because its budget is used up needs a larger one: heddle budget.",
  more: "Exit status: 0; 1 no such run, it is not paused, or the server refused; 2 usage; 3 server not reached.",
  run: onRun((client, run) => client.resumeRun(run)),
};

export const finishCommand: Command = {
  name: "finish",
  group: "Steer",
  summary: "end a run that has no root",
  words,
  flags: { cancel: { about: "cancel the tasks that still live instead of refusing" }, json },
  ask,
  about: `Ends a run that has no root. It is then succeeded, unless a task failed that nobody handled.
While tasks live it is refused (tasks_live); \`heddle wait RUN\` waits for them.`,
  more: "Exit status: 0; 1 no such run, it has ended, tasks live, or the server refused; 2 usage; 3 server not reached.",
  run: onRun((client, run, flags) => client.finishRun(run, flags.cancel === true ? { cancel: true } : {})),
};
