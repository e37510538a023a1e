/** Tasks that are posted from outside. */

import type { CreatedTasks } from "../../contract/shapes.ts";
import { createTasks } from "../../scheduler/create-tasks.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { CreateTasksInput, Reply } from "../rpc.ts";
import { forkAll } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { projectionOf } from "./projection.ts";
import { ok, refuse } from "./replies.ts";

export function createFromOutside(step: Step, run: LoadedRun, input: CreateTasksInput): Reply<CreatedTasks> {
  const base = input.from ?? step.state.header.snapshot;
  if (!run.store.tree.find(base))
    return refuse({ code: "unknown_snapshot", errors: [{ path: "from", message: "unknown" }] });
  if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
  const forked = forkAll(run, { base, callId: undefined, creator: undefined }, input.tasks);
  if (!forked.ok) return forked;
  const outcome = createTasks(step, undefined, forked.tasks, run.numberOf, input.groups);
  if (!outcome.ok) return refuse(outcome.refusal);
  return ok({
    snapshot: base,
    tasks: outcome.tasks.map((task) => ({
      id: run.taskId(task.n),
      key: task.key ?? null,
      state: task.phase.state,
      priority: task.priority,
      pool: task.pool,
    })),
    projection: projectionOf(run, forked.tasks, outcome.criticalPath),
    ...(forked.notes.length > 0 && { notes: forked.notes }),
  });
}
