/** `heddle wait` */

import type { Heddle } from "../../client/heddle.ts";
import type { TaskView, WaitMode, WaitView } from "../../client/replies.ts";
import { clientRetryMs, cliReachMs, pauseLookMs, runTimeoutMsMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { outcomeText } from "../look/task-text.ts";
import { countsText, totalOf } from "../run/counts.ts";
import { Pauses } from "../run/pauses.ts";
import { colourOf } from "../screen/colours.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { onSignals } from "../signals.ts";
import { wholeNumber } from "../usage.ts";

export const waitCommand: Command = {
  name: "wait",
  group: "Steer",
  summary: "wait for a run's tasks",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task", optional: true, many: true },
  ],
  flags: {
    mode: {
      value: "MODE",
      choices: ["all", "any", "settled"],
      about: `all (default): until all succeeded, or the first one did not; any: until one succeeded, or all ended;
settled: until all ended, however`,
    },
    timeout: { value: "S", about: "give up after S seconds; the tasks go on" },
    json: { about: '{"done", "tasks"} as one JSON object, without TASK {"done", "counts", "failed"}' },
  },
  ask: "Name one run, and those of its tasks that you wait for; without any it is all of them.",
  about: `Waits for tasks, named by id or key, and prints what became of them. Without TASK they are all of the run's, those
that come meanwhile included. While the run is paused nothing of it comes: stderr says why, and what ends the pause.`,
  more: `Exit status: 0 as asked (all: all succeeded; any: one did; settled: all have ended); 1 not so, or the time is over,
no such run or task, or the server refused; 2 usage; 3 server not reached; 130 interrupted (the tasks go on).

Examples:
  heddle wait run_… && heddle finish run_…
  heddle wait run_… draft review --mode any --timeout 60`,
  run: async ({ flags, words: [run, ...tasks] }) => {
    const mode = (flags.mode ?? "all") as WaitMode;
    const seconds = wholeNumber(flags, "timeout", { min: 0, max: runTimeoutMsMax / 1000 });
    const client = await reach();
    const interrupt = new AbortController();
    const stopListening = onSignals(() => interrupt.abort());
    try {
      const request = { mode, ...(tasks.length > 0 && { tasks }) };
      const seen = await waited(client, run!, request, seconds, interrupt.signal);
      if (flags.json === true) sayJson(seen);
      else sayWaited(seen);
      if (!seen.done)
        note(`Not over within ${seconds} s; the tasks ${seen.paused === undefined ? "go on" : "wait for the run"}.`);
      return seen.done && isAsAsked(seen, mode) ? exitStatus.ok : exitStatus.failed;
    } catch (error) {
      if (!interrupt.signal.aborted) throw error;
      return exitStatus.interrupted;
    } finally {
      stopListening();
    }
  },
};

/** Poll after poll, until it is over or the time is. A pause of the run is told of: nothing that is waited for comes until it ends. */
async function waited(
  client: Heddle,
  run: string,
  request: { mode: WaitMode; tasks?: string[] },
  seconds: number | undefined,
  signal: AbortSignal,
): Promise<WaitView> {
  const until = seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + seconds * 1000;
  const pauses = new Pauses(note);
  // The first look tells of a run that is paused already, the others in time of one that pauses meanwhile.
  for (let pollMs = 0; ; pollMs = pauseLookMs) {
    const leftMs = Math.max(0, until - Date.now());
    // A server that is away is not waited for much longer than its tasks are.
    const options = { signal, retryMs: Math.min(Math.max(leftMs, cliReachMs), clientRetryMs) };
    const seen = await client.wait(run, { ...request, timeout_ms: Math.min(leftMs, pollMs) }, options);
    pauses.look(
      seen.paused === undefined ? { id: run, status: "active", reason: null } : await client.run(run, options),
    );
    if (seen.done || Date.now() >= until) return seen;
  }
}

/** Whether a wait that is over ended well. */
export function isAsAsked({ tasks, counts }: WaitView, mode: WaitMode): boolean {
  if (mode === "settled") return true;
  const succeeded = tasks?.filter(({ state }) => state === "succeeded").length ?? counts?.succeeded ?? 0;
  const total = tasks?.length ?? (counts === undefined ? 0 : totalOf(counts));
  return mode === "any" ? succeeded > 0 || total === 0 : succeeded === total;
}

function sayWaited({ tasks, counts, failed }: WaitView): void {
  if (tasks) sayTable(columns, tasks);
  if (counts) say(countsText(counts));
  if (failed && failed.length > 0) say(`failed: ${failed.join(", ")}`);
}

const columns: readonly Column<TaskView>[] = [
  { title: "TASK", of: ({ id }) => id },
  { title: "KEY", of: ({ key }) => key, least: 6 },
  { title: "STATE", of: ({ state }) => state, colour: ({ state }) => colourOf(state) },
  { title: "OUTCOME", of: outcomeText, least: 12 },
];
