/** A wait for tasks to its end, poll after poll. */

import { pauseLookMs, waitMsMax } from "../../limits.ts";
import type { TaskCalls } from "../calls/task-calls.ts";
import type { WaitView } from "../replies.ts";
import type { WaitRequest } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { PauseWatch, type TasksWaitOptions } from "./pause.ts";

type Waits = Pick<TaskCalls, "wait">;

/** The answer, once it is `done`. Who wants to know of pauses polls more often: an answer that is held back tells of one late. @throws RunPaused */
export async function waitedFor(
  heddle: Waits,
  run: string,
  body: Omit<WaitRequest, "timeout_ms">,
  { onPaused, whenPaused, ...options }: TasksWaitOptions,
): Promise<WaitView> {
  const watch = new PauseWatch(run, { onPaused, whenPaused });
  // The first look tells of a run that is paused already.
  for (let timeout_ms = watch.isWanted ? 0 : waitMsMax; ; timeout_ms = watch.isWanted ? pauseLookMs : waitMsMax) {
    const seen = await heddle.wait(run, { ...body, timeout_ms }, options);
    if (seen.done) return seen;
    watch.saw(seen);
  }
}

/**
 * Looks for pauses beside waits that don't, until all of their tasks have ended: a wait of many parts would tell of each pause as often as
 * it has parts, and poll so often for it. @throws RunPaused
 */
export async function watchedFor(
  heddle: Waits,
  run: string,
  parts: readonly string[][],
  watch: PauseWatch,
  options: CallOptions,
): Promise<void> {
  let timeout_ms = 0;
  for (const tasks of watch.isWanted ? parts : []) {
    for (;;) {
      const seen = await heddle.wait(run, { tasks, mode: "settled", timeout_ms }, options);
      timeout_ms = pauseLookMs;
      if (seen.done) break;
      watch.saw(seen);
    }
  }
}
