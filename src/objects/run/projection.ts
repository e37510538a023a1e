/** What a batch will cost, before a token is spent. */

import type { Projection } from "../../contract/shapes.ts";
import type { NewTask } from "../../scheduler/create-tasks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { budgetLeft } from "./views.ts";

/** Characters per token: the usual estimate for English text and code; vendors bill what they count. */
const charactersPerToken = 4;

/**
 * Input tokens of each task's first model call. Of a shared prefix, one task writes the provider's cache and the others
 * read it; where the creator's own requests have written it already (`warm` is what it stands on), all read.
 */
export function projectionOf(
  run: LoadedRun,
  tasks: readonly NewTask[],
  criticalPath: number,
  warm?: string,
): Projection {
  let input = 0;
  let cached = 0;
  const written = new Set<string>(warm === undefined ? [] : [warm]);
  for (const { base, spec } of tasks) {
    const prefix = Math.ceil(run.store.tree.node(base).bytes / charactersPerToken);
    const context =
      spec.context === undefined
        ? 0
        : typeof spec.context === "string"
          ? spec.context.length
          : spec.context.messages.join("").length;
    input += prefix + Math.ceil((spec.instructions.length + context) / charactersPerToken);
    if (written.has(base)) cached += prefix;
    written.add(base);
  }
  return {
    input_tokens: input,
    cached_tokens: cached,
    cost: null,
    budget_left: budgetLeft(run),
    critical_path_tasks: criticalPath,
  };
}
