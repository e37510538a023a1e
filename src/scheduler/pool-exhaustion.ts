/**
 * Full pools: the tasks that are ready wait for workers, all of whose tasks wait, and nobody else is there to act. Pull
 * workers take more while a lease of theirs is blocked, up to a bound of their own that the run does not know, and may be busy
 * with other runs: so it is told by time, `limits.stall_ms` in which nothing happens, and ends nobody's wait.
 */

import { findingSubjectsMax } from "../limits.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, type Task, type WaitingCall } from "./task.ts";
import { isExternal } from "./want.ts";

/** The blocked tasks of full pools whose waits somebody could end; none while anything else can go on. */
function heldUp(state: RunState): Task[] {
  const { counts, status } = state.header;
  // The result of a remote tool comes, or its timeout: its caller goes on.
  if (state.openCalls.size > 0) return [];
  if (status !== "active" || counts.ready === 0 || counts.running === 0 || state.stopped.size < counts.running)
    return [];
  const pools = new Set([...state.ready].filter(([, queue]) => queue.size > 0).map(([pool]) => pool));
  if (pools.has(hostedPool) || state.warming.size > 0) return [];
  const blocked = [...state.stopped]
    .sort((a, b) => a - b)
    .map((n) => state.task(n))
    .filter((task) => pools.has(task.pool));
  // Where no lease is open there is no worker: that is no deadlock, and nobody's wait is to blame.
  if ([...pools].some((pool) => !blocked.some((task) => task.pool === pool))) return [];
  return blocked.filter((task) => task.calls.some((call) => call.state === "waiting" && holdsOn(call)));
}

/** A wait that ends by itself, or from outside, is left alone. */
const holdsOn = (call: WaitingCall): boolean => call.until === 0 && !isExternal(call.want);

/** When full pools are told of; undefined: there are none, or it was said. */
export function exhaustionAt(state: RunState): number | undefined {
  const { header, outsideAt } = state;
  if (header.exhaustedAt || heldUp(state).length === 0) return undefined;
  return Math.max(header.changedAt, outsideAt) + header.limits.stallMs;
}

export function reportExhaustion(step: Step): void {
  if ((exhaustionAt(step.state) ?? Number.POSITIVE_INFINITY) > step.now) return;
  const blocked = heldUp(step.state);
  const pools = [...new Set(blocked.map(({ pool }) => pool))].join(", ");
  const calls = blocked.flatMap((task) => task.calls.filter((call) => call.state === "waiting"));
  const message = `${blocked.length} tasks of ${pools} wait, and those that are ready there find no worker: run more workers, or let fewer tasks wait at a time.`;
  step.emit(
    {
      type: "finding",
      kind: "pool_exhausted",
      severity: "warning",
      subjects: blocked.slice(0, findingSubjectsMax).map(({ n }) => n),
      message,
    },
    undefined,
    calls.slice(0, findingSubjectsMax).map(({ seq }) => seq),
  );
}
