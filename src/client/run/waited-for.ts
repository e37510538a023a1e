/** A wait for tasks to its end, poll after poll. */

import { pauseLookMs, waitMsMax } from "../../limits.ts";
import type { TaskCalls } from "../calls/task-calls.ts";
import type { WaitView } from "../replies.ts";
import type { WaitRequest } from "../requests.ts";
import { PauseWatch, type TasksWaitOptions } from "./pause.ts";

/**
 * The answer, once it is `done`. Who wants to know of pauses polls more often: an answer that is held back tells of one late.
 * `watch`: that of the other waits that this one is a part of. @throws RunPaused
 */
export async function waitedFor(
  heddle: Pick<TaskCalls, "wait">,
  run: string,
  body: Omit<WaitRequest, "timeout_ms">,
  { onPaused, whenPaused, ...options }: TasksWaitOptions,
  watch: PauseWatch = new PauseWatch(run, { onPaused, whenPaused }),
): Promise<WaitView> {
  // The first look tells of a run that is paused already.
  for (let timeout_ms = watch.isWanted ? 0 : waitMsMax; ; timeout_ms = watch.isWanted ? pauseLookMs : waitMsMax) {
    const saw = watch.asks();
    const seen = await heddle.wait(run, { ...body, timeout_ms }, options);
    if (seen.done) return seen;
    saw(seen);
  }
}
