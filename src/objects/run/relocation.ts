/**
 * Whose reasoning a task's model is given: its own, and none that another model has signed (DESIGN §5, relocated forks).
 *
 * W1. A part of a context is its author's: the task's that forked it wrote what follows that one's own base, and the context's model all else.
 * W2. A fork under its creator's model leaves out what its creator's requests left out, and nothing more: so they have one prefix.
 */

import type { Part } from "../../context/reasoning.ts";
import { hostedPool, type Task } from "../../scheduler/task.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";
import { specOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";

/**
 * The model that a task's turns are of. A hosted one that names none, in a context that names none, has its provider's; elsewhere undefined:
 * nobody has said.
 */
export function modelNamed(run: LoadedRun, task: Task): string | undefined {
  const { format, model } = run.store.tree.head(task.base);
  if (task.pool !== hostedPool) return specOf(run, task).model ?? model;
  return task.model ?? model ?? run.models.configured(format, run.state.header.credential);
}

export const isAnother = (model: string | undefined, than: string | undefined): boolean =>
  model !== undefined && than !== undefined && model !== than;

/** Of the messages that a task is given before its own fork, those of other models. */
export function foreignParts(run: LoadedRun, task: Task): readonly Part[] {
  const parts = partsOf(run, task, modelNamed(run, task));
  // What was left out of a compacted context has moved all that is left.
  return task.window && parts.length > 0 ? [[0, task.window.own]] : parts;
}

function partsOf(run: LoadedRun, task: Task, model: string | undefined): Part[] {
  const { tree } = run.store;
  const chain = [...creatorsOf(run, task)];
  const ofContext = isAnother(model, tree.head(task.base).model);
  if (!ofContext && !chain.some((one) => isAnother(model, modelNamed(run, one)))) return [];
  const count = tree.node(task.base).messages;
  const [creator] = chain;
  const own = creator && ownFrom(tree, task.base, creator.base);
  // A part of its creator's context, or another one: who wrote what of it is not known.
  if (!creator || own === undefined) return count === 0 ? [] : [[0, count]];
  const inherited = partsOf(run, creator, model);
  return own < count && isAnother(model, modelNamed(run, creator)) ? [...inherited, [own, count]] : inherited;
}

/** The nearest first. */
function* creatorsOf({ state }: LoadedRun, task: Task): Generator<Task> {
  for (let one: Task | undefined = task; one; ) {
    // A stand-in forks what its task forked.
    let made: Task | undefined = one;
    while (made?.scope?.standsIn) made = state.find(made.parent);
    one = made && state.find(made.parent);
    if (one) yield one;
  }
}

/** How many messages of `snapshot` stand in `base`, where that is a part of its path. */
function ownFrom(tree: ContextTree, snapshot: string, base: string): number | undefined {
  const { messages } = tree.node(base);
  let at: string | null = snapshot;
  while (at !== null && at !== base && tree.node(at).messages > messages) at = tree.node(at).parent;
  return at === base ? messages : undefined;
}
