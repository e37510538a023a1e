/** Messages that a task brings as its own `context`: would a provider take them where they are to stand? */

import { openCalls } from "../../context/calls.ts";
import { forkByCall } from "../../context/fork.ts";
import { slipIn } from "../../context/slips.ts";
import type { MessageText } from "../../context/types.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import type { FaultData } from "../../errors/fault.ts";
import type { NewTask } from "../../scheduler/new-task.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";
import { slipFault } from "./outside-calls.ts";

/** The first slip in them (context/slips.ts), or calls that they leave open: the instructions follow. `path`: where they are. */
export function ownMessagesFault(
  tree: ContextTree,
  { base, call }: Pick<NewTask, "base" | "call">,
  { context }: Pick<TaskSpec, "context">,
  path: string,
): FaultData | undefined {
  if (typeof context !== "object") return undefined;
  const { format } = tree.head(base);
  const slip = slipIn(format, context.messages, newestBefore(tree, base, call));
  if (slip) return slipFault({ ...slip, path: slip.path.replace("messages", path) });
  const open = openCalls(format, context.messages).map(({ id }) => id);
  if (open.length === 0) return undefined;
  const message = `no result of ${open.join(", ")}: the instructions come next; add the results of these calls, or leave the calls out`;
  return slipFault({ path, message });
}

/** What they follow, newest first: a fork by a call answers all calls of its reply before them. */
function* newestBefore(tree: ContextTree, base: string, call: string | undefined): Iterable<MessageText> {
  if (call !== undefined) {
    const { messages } = forkByCall(tree.head(base).format, tree.last(base)!, call, "");
    yield* messages.reverse();
  }
  yield* tree.newestFirst(base);
}
