/** A lock as it explains itself: who has it, who waits since when, and how contended it was. */

import type { VariableView } from "../../contract/shapes.ts";
import { pageRowsMax } from "../../limits.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { holdersOf } from "./lock-calls.ts";

export function lockView(run: LoadedRun, name: string): VariableView {
  const totals = run.state.lockTotals(name);
  const { waiters } = run.state.lock(name);
  const waited = totals?.waitedMs ?? 0;
  const held = totals?.heldMs ?? 0;
  return {
    name,
    kind: "lock",
    state: {
      token: totals?.token ?? 0,
      waiting: waiters.length,
      waited_ms: waited,
      held_ms: held,
      contention: held > 0 ? waited / held : null,
    },
    holders: holdersOf(run, name),
    waiters: waiters.slice(0, pageRowsMax).map(({ task, mode, since }) => ({ task: run.taskId(task), mode, since })),
    ops: { grants: totals?.grants ?? 0 },
    ops_since: null,
    created_at: null,
  };
}
