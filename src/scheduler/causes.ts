/**
 * Why a task ended that ended because of another, read from the log: "skipped because a failed because b was cancelled".
 *
 * E5. Each cause is told as it was at that end. What became of it later (a retry) is another story.
 * E6. The chain is bounded, nearest first; the last one told still names the one that it follows from.
 */

import type { ErrorData, SchedulerEvent } from "./events.ts";
import { isEnded, type Phase, type Task } from "./task.ts";

type Logged = SchedulerEvent & { readonly causes?: readonly number[] };
type TaskEnded = Extract<Logged, { type: "task_ended" }>;
/** The end of a task, or of its own work by a failure. */
type WorkEnded = TaskEnded | Extract<Logged, { type: "task_fell_back" }>;

/** The task that another ended because of. */
export interface Because {
  readonly task: number;
  readonly state: Phase["state"];
  /** Absent where it succeeded or had not ended. */
  readonly error?: ErrorData;
  /** What it follows from itself. */
  readonly because?: Because;
}

export interface Reader {
  readonly event: (seq: number) => Logged | undefined;
  readonly task: (n: number) => Task;
}

/** The causes of an end, nearest first, `most` at most. Costs an event or two for each. */
export function causesOf(ended: TaskEnded, most: number, reader: Reader): Because[] {
  // One more than is told, so that the last one told names what it follows from (E6).
  const found: Omit<Because, "because">[] = [];
  for (let at: WorkEnded | undefined = ended; at?.error?.because && found.length <= most; ) {
    const n: number = at.error.because;
    at = endOf(n, at, reader);
    found.push(at ? told(at) : { task: n, state: reader.task(n).phase.state });
  }
  return found.slice(0, most).map((one, i) => {
    const because = found[i + 1];
    return because ? { ...one, because } : one;
  });
}

const told = (event: WorkEnded): Omit<Because, "because"> => ({
  task: event.task,
  state: event.type === "task_ended" ? event.state : "failed",
  ...(event.error && { error: event.error }),
});

/** The end of task `n` that `follower` names; where it names none, the one that the task is in. */
function endOf(n: number, { causes = [] }: WorkEnded, { event, task }: Reader): WorkEnded | undefined {
  for (const seq of causes) {
    const cause = event(seq);
    if ((cause?.type === "task_ended" || cause?.type === "task_fell_back") && cause.task === n) return cause;
  }
  const now = task(n);
  if (!isEnded(now)) return undefined;
  const own = event(now.phase.seq);
  return own?.type === "task_ended" && own.task === n ? own : undefined;
}
