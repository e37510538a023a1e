/** `heddle top` */

import type { Heddle } from "../../client/heddle.ts";
import type { FindingView, TaskView } from "../../client/replies.ts";
import { sleep } from "../../client/sleep.ts";
import {
  pageRowsMax,
  topEverySecondsDefault,
  topEverySecondsMax,
  topNamesAtOnce,
  topRefreshMs,
  watchIdleEveryMs,
} from "../../limits.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { paintOf, say, sayJson, screenWidth } from "../screen/output.ts";
import { onSignals } from "../signals.ts";
import { wholeNumber } from "../usage.ts";
import { Screen } from "./screen.ts";
import { TopState } from "./top-state.ts";
import { type Size, topJson, topLine, topLines } from "./top-view.ts";

export const topCommand: Command = {
  name: "top",
  group: "Look",
  summary: "a live view of a run: seats, tasks, waits, tokens, cost, findings",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    once: { without: ["every"], about: "print the view once, and end" },
    every: {
      value: "SECONDS",
      about: `where there is no screen: a line so often (default ${topEverySecondsDefault})`,
    },
    json: { about: "one JSON object in place of each view" },
  },
  ask: "Name one run.",
  about: `Shows what the run does now, on the whole terminal, until it ends: how many seats are used, what is ready, parked
(on what) and waiting, tokens in and out, how much of them came from prompt caches, what it has cost and what is left, the
tasks that have worked longest, and the latest findings. It follows the run's log; a server that restarts is waited for.
Where its output is no terminal it prints a line every few seconds.`,
  more: `q or Ctrl-C ends it; the run goes on.
Exit status: 0 ended by q, or the run has ended; 1 no such run, or the server refused; 2 usage; 3 server not reached;
130 interrupted.

Examples:
  heddle top run_…
  heddle top run_… --once --json | jq .parked_on
  heddle top run_… --every 60 >> run.log`,
  run: top,
};

async function top({ flags, words: [run] }: Given): Promise<number> {
  const everyMs =
    1000 * wholeNumber(flags, "every", { min: 1, max: topEverySecondsMax, fallback: topEverySecondsDefault });
  const client = await reach();
  const state = await begin(client, run!);
  const json = flags.json === true;
  const isScreen = process.stdout.isTTY === true && !json;
  if (flags.once === true) {
    if (json) sayJson(topJson(state, Date.now()));
    else for (const line of topLines(state, wholeSize(), Date.now(), paintOf())) say(line);
    return exitStatus.ok;
  }
  const stop = new AbortController();
  let status: number = exitStatus.ok;
  const leave = (as: number) => {
    status = as;
    stop.abort();
  };
  const stopListening = onSignals(() => leave(exitStatus.interrupted));
  const screen = isScreen ? new Screen(process.stdout, process.stdin) : undefined;
  const show = () => {
    if (screen) screen.draw(topLines(state, screen.size, Date.now(), paintOf()));
    else if (json) sayJson(topJson(state, Date.now()));
    else say(`${dateTime(Date.now())}  ${topLine(state, Date.now())}`);
  };
  screen?.open({
    resized: show,
    pressed: (key) => {
      if (key === "q" || key === "Q") leave(exitStatus.ok);
      if (key === "\u0003") leave(exitStatus.interrupted);
    },
  });
  try {
    await Promise.race([
      follow(client, state, stop.signal),
      showing(show, isScreen ? topRefreshMs : everyMs, stop.signal),
    ]);
    if (!stop.signal.aborted) state.seen(await client.run(run!), Date.now());
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    stop.abort();
    screen?.close();
    stopListening();
  }
  // The last view stays where it can be read.
  if (screen) for (const line of topLines(state, wholeSize(), Date.now(), paintOf())) say(line);
  else if (status === exitStatus.ok) show();
  return status;
}

/** With a row below it for what the shell says next. */
function wholeSize(): Size {
  const { isTTY, rows } = process.stdout;
  return { columns: screenWidth(), rows: isTTY ? Math.max(4, (rows || 24) - 1) : Number.POSITIVE_INFINITY };
}

/** The run as it is, with the tasks that do something: a page of each kind, since no screen shows more. */
async function begin(client: Heddle, id: string): Promise<TopState> {
  const run = await client.run(id);
  const tasks: TaskView[] = [];
  for (const state of ["running", "parked"] as const) {
    if (run.counts[state] > 0) tasks.push(...(await client.listTasks(id, { state, limit: pageRowsMax })).tasks);
  }
  const findings: FindingView[] =
    run.findings === 0 ? [] : (await client.findings(id, { limit: pageRowsMax })).findings;
  return new TopState(run, { tasks, findings, now: Date.now() });
}

/** Folds the run's events into the state, and reads the run again when something happened, until it has ended. */
async function follow(client: Heddle, state: TopState, signal: AbortSignal): Promise<void> {
  const options = { signal, retryMs: Number.POSITIVE_INFINITY };
  const { id, last_seq } = state.run;
  let isOver = false;
  const reading = (async () => {
    for await (const event of client.followEvents(id, { after: last_seq }, options)) state.add(event, Date.now());
    isOver = true;
  })();
  const refreshing = (async () => {
    for (let seen = last_seq; !isOver && !signal.aborted; await sleep(topRefreshMs, signal)) {
      if (state.seq === seen && Date.now() - state.seenAt < watchIdleEveryMs) continue;
      seen = state.seq;
      state.seen(await client.run(id, options), Date.now());
      for (const task of state.pulled(topNamesAtOnce)) state.looked(await client.task(id, task, options));
      for (const task of state.nameless(topNamesAtOnce)) {
        const { title, key } = await client.task(id, task, options);
        state.named(task, title ?? key);
      }
    }
  })();
  // Whichever fails first is told; the other is ended by the signal, and whatever it says then is nothing new.
  refreshing.catch(() => undefined);
  await Promise.race([reading, refreshing.then(() => reading)]);
}

/** Shows it at once and then again and again. */
async function showing(show: () => void, everyMs: number, signal: AbortSignal): Promise<never> {
  for (;;) {
    show();
    await sleep(everyMs, signal);
  }
}
