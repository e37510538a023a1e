/**
 * Follows a run until all of its tasks have ended.
 *
 * The log says *that* something happened; what is shown is read from the run, at most a few times a second. So the display is
 * right whatever events there are, and a run of 10,000 tasks costs no more to watch than one of ten.
 */

import type { Heddle } from "../../client/heddle.ts";
import type { RunView, TaskView } from "../../client/replies.ts";
import { firstOf } from "../../client/signals.ts";
import { sleep } from "../../client/sleep.ts";
import { watchAwayMs, watchEveryMs, watchIdleEveryMs } from "../../limits.ts";
import { Pauses } from "./pauses.ts";
import type { Progress } from "./progress.ts";
import { Unserved } from "./unserved.ts";

/** Rows of running tasks that a screen has room for. */
const runningShown = 8;

/** The run once all of its tasks have ended (a run without a root may still be `active`). Ends at once when `signal` aborts. */
export async function watchRun(
  client: Heddle,
  run: string,
  progress: Progress,
  { signal: outer, detailed }: { signal: AbortSignal; detailed: boolean },
): Promise<RunView> {
  const over = new AbortController();
  const { signal, clear } = firstOf(over.signal, outer);
  const unserved = new Unserved(client, run, progress);
  const pauses = new Pauses((text) => progress.note(text));
  let news = true;
  let ring = () => {};
  const listening = (async () => {
    // From the newest event on: what has been is in the first view.
    const { last_seq } = await client.run(run, { signal });
    for await (const _event of client.followEvents(run, { after: last_seq }, { signal })) {
      news = true;
      ring();
    }
  })().catch(() => undefined); // the display then goes on by the clock
  const drawing = (async () => {
    while (!signal.aborted) {
      if (news) {
        news = false;
        const view = await show(client, run, progress, detailed, signal);
        pauses.look(view);
        await unserved.look(view, signal);
      }
      await sleep(watchEveryMs, signal);
      if (!news)
        await Promise.race([sleep(watchIdleEveryMs, signal), new Promise<void>((resolve) => (ring = resolve))]);
      news = true;
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  try {
    await Promise.race([
      client.waitFor(run, { mode: "settled" }, { signal, retryMs: Number.POSITIVE_INFINITY }),
      failureOf(drawing),
    ]);
    return await ended(client, run, signal);
  } finally {
    // In this order: what is cleared hears of nothing any more, and would go on.
    over.abort();
    clear();
    await Promise.allSettled([listening, drawing]);
  }
}

async function show(
  client: Heddle,
  run: string,
  progress: Progress,
  detailed: boolean,
  signal: AbortSignal,
): Promise<RunView> {
  const options = { signal, retryMs: Number.POSITIVE_INFINITY };
  const view = await saying(client.url, progress, signal, () => client.run(run, options));
  const running: TaskView[] = detailed
    ? (await client.listTasks(run, { state: "running", limit: runningShown }, options)).tasks
    : [];
  progress.show(view, running);
  return view;
}

/** Says once that no answer comes, and once that it has come: a display that stands still is no sign of either. */
async function saying<Reply>(
  url: string,
  progress: Progress,
  signal: AbortSignal,
  call: () => Promise<Reply>,
): Promise<Reply> {
  let said = false;
  const timer = setTimeout(() => {
    said = !signal.aborted;
    if (said) progress.note(`${url} does not answer; trying again until it does. Runs are kept there.`);
  }, watchAwayMs);
  try {
    const reply = await call();
    if (said) progress.note("The server answers again.");
    return reply;
  } finally {
    clearTimeout(timer);
  }
}

/** A run with a root ends by itself, a moment after its last task. */
async function ended(client: Heddle, run: string, signal: AbortSignal): Promise<RunView> {
  for (;;) {
    const view = await client.run(run, { signal });
    if (view.ended_at !== null || view.root === null) return view;
    await sleep(watchEveryMs, signal);
  }
}

/** Rejects as `promise` does; never resolves. */
const failureOf = (promise: Promise<unknown>): Promise<never> => new Promise((_, reject) => promise.catch(reject));
