/** Which snapshot a new task forks, and through which call (DESIGN §4 `fork`, §5 fork returns twice). */

import { openCalls, roleOf } from "../../context/calls.ts";
import { cutLast } from "../../context/fork.ts";
import type { MessageText, ToolCall } from "../../context/types.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import type { FaultData } from "../../errors/fault.ts";
import type { NewTask } from "../../scheduler/create-tasks.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";

/** The unanswered calls that the transcript of a snapshot ends in. Reads only the end of the path. */
export function openCallsOf(tree: ContextTree, hash: string): readonly ToolCall[] {
  const tail: MessageText[] = [];
  for (let at: string | null = hash; at !== null; at = tree.node(at).parent) {
    tail.unshift(...tree.own(at));
    if (tail.some((message) => roleOf(message) === "assistant")) break;
  }
  return openCalls(tree.head(hash).format, tail);
}

export type ForkedTasks =
  | { readonly ok: true; readonly tasks: NewTask[]; readonly notes: string[] }
  | { readonly ok: false; readonly fault: FaultData };

/** Points each spec at its snapshot. `callId` is the tool call of `base` that creates them, if one does. */
export function forkAll(
  tree: ContextTree,
  base: string,
  callId: string | undefined,
  specs: readonly TaskSpec[],
): ForkedTasks {
  const tasks: NewTask[] = [];
  const notes = new Set<string>();
  const ends = endsOf(tree);
  for (const [i, spec] of specs.entries()) {
    const forked = forkOne(tree, ends, base, callId, spec, `tasks[${i}].fork`);
    if ("code" in forked) return { ok: false, fault: forked };
    const model = tree.head(base).model;
    if (spec.model !== undefined && model !== undefined && spec.model !== model) {
      notes.add(
        `A task with model "${spec.model}" is a relocated fork: reasoning blocks are left out and the cache is cold.`,
      );
    }
    tasks.push(forked);
  }
  return { ok: true, tasks, notes: [...notes] };
}

/** What a transcript ends in. */
interface End {
  readonly open: readonly ToolCall[];
  readonly isReply: boolean;
}

/** Each looked up once: a batch forks few snapshots, and the last message of one may be all of a large context. */
function endsOf(tree: ContextTree): (hash: string) => End {
  const known = new Map<string, End>();
  return (hash) => {
    let end = known.get(hash);
    if (!end) {
      const isReply = roleOf(tree.last(hash) ?? "{}") === "assistant";
      end = { open: openCallsOf(tree, hash), isReply };
      known.set(hash, end);
    }
    return end;
  };
}

function forkOne(
  tree: ContextTree,
  ends: (hash: string) => End,
  base: string,
  callId: string | undefined,
  spec: TaskSpec,
  path: string,
): NewTask | FaultData {
  const { fork = "full" } = spec;
  if (fork === "none") return { spec, base: tree.node(base).root, fork: "none" };
  let from = base;
  let mode = "full";
  if (typeof fork === "object" && "snapshot" in fork) {
    if (!tree.find(fork.snapshot)) {
      return {
        code: "unknown_snapshot",
        detail: `This run has no snapshot ${fork.snapshot}.`,
        errors: [{ path, message: "unknown" }],
      };
    }
    from = fork.snapshot;
    mode = "snapshot";
  }
  if (typeof fork === "object" && "last" in fork) {
    const { format } = tree.head(base);
    const whole = tree.messages(base) ?? [];
    const cut = cutLast(format, whole, fork.last);
    from = cut.length === whole.length ? base : tree.append(tree.node(base).root, cut);
    mode = `last ${fork.last}`;
  }
  const { open, isReply } = ends(from);
  if (open.length === 0) return { spec, base: from, fork: mode };
  if (isReply && open.some((call) => call.id === callId)) return { spec, base: from, fork: mode, call: callId! };
  return {
    code: "open_calls",
    detail: `The snapshot ends in the calls ${open.map((call) => call.id).join(", ")}${callId === undefined ? "" : `, and "${callId}" is none of them`}.`,
    errors: [{ path, message: from }],
  };
}
