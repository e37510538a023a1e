/** What a run and its tasks may have at most, asked of a batch before any of it is created. */

import { sentenceOf } from "../rules/print.ts";
import type { Batch, BatchRefusal } from "./new-task.ts";
import { type BoundLimit, boundsUnder } from "./rules/run-rules.ts";
import { isRunEnded, type RunHeader } from "./state.ts";

export function checkLimits({ state, creator, tasks: batch }: Batch): BatchRefusal | undefined {
  const { header } = state;
  const run = header.limits;
  if (isRunEnded(state)) return { code: "run_ended", detail: `The run ${header.status}.` };
  if (header.failing && !creator) return { code: "run_ended", detail: "A task failed, and the run fails fast." };
  const standIns = batch.filter(({ standIn }) => standIn).length;
  const taken = header.taskCount + (header.standIns ?? 0);
  if (taken + batch.length + standIns > run.tasks) {
    const more = standIns > 0 ? `${batch.length} more, and ${standIns} for their on_failure,` : `${batch.length} more`;
    const detail = `The run has ${taken} of ${run.tasks} tasks${byRule(header, "tasks")}; ${more} do not fit.`;
    return { code: "limit_tasks", detail };
  }
  const below = batch.findIndex(({ standIn }) => standIn && (creator?.depth ?? 0) + 2 > run.depth);
  if (below >= 0) {
    const errors = [{ path: `tasks[${below}].on_failure`, message: "one level too deep" }];
    return {
      code: "limit_depth",
      detail: `It runs one level below its task, and depth is limited to ${run.depth}${byRule(header, "depth")}.`,
      errors,
    };
  }
  for (const [i, { unpriced }] of run.nanos ? batch.entries() : []) {
    if (unpriced === undefined) continue;
    const errors = [{ path: `tasks[${i}].model`, message: "no price" }];
    return { code: "no_price", detail: `limits.usd is set, and nobody knows what "${unpriced}" costs.`, errors };
  }
  if (!creator) return undefined;
  if (creator.depth + 1 > run.depth) {
    return {
      code: "limit_depth",
      detail: `Task depth is limited to ${run.depth}${byRule(header, "depth")}, and the creator's is ${creator.depth}.`,
    };
  }
  if (creator.childrenMade + batch.length > run.children) {
    return {
      code: "limit_children",
      detail: `A task may create ${run.children} children${byRule(header, "children")}; ${creator.childrenMade} exist and ${batch.length} more were asked for.`,
    };
  }
  for (const [i, { spec, standIn }] of batch.entries()) {
    const strange = [spec.pool, standIn?.spec.pool].findIndex(
      (pool) => pool !== undefined && pool !== creator.pool && !run.pools.includes(pool),
    );
    if (strange < 0) continue;
    const path = `tasks[${i}].${["pool", "on_failure.task.pool"][strange]}`;
    const detail = `The creator's pool is "${creator.pool}", and limits.pools names ${run.pools.length ? run.pools.join(", ") : "no other"}.`;
    return { code: "pool_not_allowed", detail, errors: [{ path, message: "not allowed" }] };
  }
  return undefined;
}

/** Whose rule says so, where one does. */
function byRule(header: RunHeader, limit: BoundLimit): string {
  const bound = boundsUnder(header).find((one) => one.limit === limit);
  if (!bound) return "";
  const { from, line, rule } = header.rules!.rules[bound.by]!;
  return ` (line ${line} of the ${from}'s rules: ${sentenceOf(rule)})`;
}
