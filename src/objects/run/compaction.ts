/** A task whose context no longer fits the model's window: it goes on with a part of it, or fails, as it was told to. */

import { type Compacted, compact } from "../../context/compaction.ts";
import type { Usage } from "../../context/types.ts";
import { settleBudget } from "../../scheduler/budget.ts";
import type { ErrorData } from "../../scheduler/events.ts";
import type { Step } from "../../scheduler/step.ts";
import { createdEventOf, specOf } from "./bodies.ts";
import { forkCountOf, forkOf, type LeasedTask, transcriptOf } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ModelUsed } from "./models.ts";
import { usageDelta } from "./money.ts";
import { endAttempt } from "./seat-turns.ts";

/** What the vendor refused as too long is cut, and the task given back, to go on from there; `error` is what it fails with else. */
export function compactContext(
  step: Step,
  run: LoadedRun,
  task: LeasedTask,
  { error, usage, model }: { readonly error: ErrorData; readonly usage?: Usage; readonly model?: ModelUsed },
): void {
  const used = usage && usageDelta(run, usage, model);
  const { on_context_too_long: choice } = specOf(run, task);
  const shorter = choice && shorten(run, task, choice.last);
  if (!shorter) {
    const message = `${error.message} ${choice ? nothingLeft : notAsked}`;
    endAttempt(step, task, { kind: "error", fault: "context_too_long", error: { ...error, message } }, used);
    return;
  }
  const { tree } = run.store;
  const { fence } = task.phase;
  const { last, own, gone } = shorter;
  const from = task.head ?? task.base;
  const to = tree.append(tree.node(from).root, shorter.messages);
  step.emit({
    type: "context_compacted",
    task: task.n,
    fence,
    from,
    to,
    last,
    own,
    ...gone,
    ...(used && { usage: used }),
  });
  step.emit({ type: "task_ready", task: task.n, why: "given_back" });
  settleBudget(step);
}

const notAsked = `(A task with on_context_too_long: {"last": n} goes on with its newest n turns.)`;
const nothingLeft =
  "(Its instructions and its newest turn alone are too long: give it less at once, or another model.)";

/** Undefined when nothing of it may go any more. */
function shorten(run: LoadedRun, task: LeasedTask, last: number): Compacted | undefined {
  const spec = specOf(run, task);
  if (task.head === undefined && !forkOf(run, task, spec).ok) return undefined;
  const { tree } = run.store;
  const input = {
    messages: transcriptOf(run, task).messages,
    own: task.window?.own ?? tree.node(task.base).messages,
    forkCount: forkCountOf(run, task, spec),
    viaCall: createdEventOf(run, task).call !== undefined,
    gone: task.window,
  };
  return compact(tree.head(task.base).format, input, task.window?.last ?? last);
}
