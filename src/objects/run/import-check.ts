/**
 * The last check of an imported run, when all of its log is there: it replays, each event may follow those before it, and
 * whatever the API later reads or hands out can be read. So a file can't leave a run on which a call would break.
 */

import type { RemoteTool } from "../../contract/remote-tools.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import { Fault } from "../../errors/fault.ts";
import { queuedMessagesMax, variablesAtOnce } from "../../limits.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";
import { objection } from "../../scheduler/objection.ts";
import { urlPool } from "../../scheduler/remote-calls.ts";
import type { RunState } from "../../scheduler/state.ts";
import { isLive } from "../../scheduler/task.ts";
import type { RunStore } from "../../storage/run/run-store.ts";
import { answerOf } from "./answers.ts";
import { blockingView } from "./blocking-view.ts";
import { openCallsOf } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { runView, taskView } from "./views.ts";

const wrong = (why: string): Fault => new Fault("import_invalid", why);

/** The state that the log gives. @throws Fault import_invalid */
export function replayed(store: RunStore, last: number): RunState {
  let at = 0;
  try {
    return store.replay(last, (state, event, seq) => {
      at = seq;
      const why = objection(state, event) ?? unknownContext(store, event);
      if (why) throw wrong(`event ${seq}: ${why}`);
    });
  } catch (error) {
    // What objection lets through and apply can't fold: the file is refused for it all the same.
    throw error instanceof Fault ? error : wrong(`event ${at} can't follow those before it`);
  }
}

/** Snapshots that an event names, the call that a fork was made by, and the tool that one calls. */
function unknownContext({ tree, log }: RunStore, event: SchedulerEvent): string | undefined {
  if (event.type === "context_compacted") {
    const to = tree.find(event.to);
    if (!to || to.root !== tree.node(event.from).root) return `there is no snapshot ${event.to} of that context`;
    return event.own <= to.messages ? undefined : "its own messages begin after its last";
  }
  if (event.type === "call_waiting" && event.remote) {
    const { tool, pool } = event.remote;
    const { tools = [] } = (log.body(1) ?? {}) as { tools?: readonly RemoteTool[] };
    const declared = tools.find(({ name }) => name === tool);
    return declared && (declared.pool ?? urlPool) === pool ? undefined : `the run has no tool ${tool} of that pool`;
  }
  if (event.type === "task_retried" && event.from && !tree.find(event.from.snapshot))
    return `there is no snapshot ${event.from.snapshot}`;
  if (!("snapshot" in event)) return undefined;
  if (event.type !== "task_created")
    return tree.find(event.snapshot) ? undefined : `there is no snapshot ${event.snapshot}`;
  return unknownFork(tree, event) ?? (event.on_failure && unknownFork(tree, event.on_failure));
}

function unknownFork(
  tree: RunStore["tree"],
  { snapshot, call: id }: { readonly snapshot: string; readonly call?: string },
): string | undefined {
  if (!tree.find(snapshot)) return `there is no snapshot ${snapshot}`;
  return id === undefined || openCallsOf(tree, snapshot).some((call) => call.id === id)
    ? undefined
    : "its snapshot does not end in the call that made it";
}

/** Reads all that is read of a run by itself or for a caller. @throws Fault import_invalid */
export function requireReadable(run: LoadedRun): void {
  const { state } = run;
  let what = "the run";
  try {
    runView(run, 0, state.header.changedAt);
    if (state.blocking.queued > queuedMessagesMax) throw wrong("too many messages in queues");
    for (let n = 1; n <= state.header.taskCount; n++) {
      what = `task ${n}`;
      const task = state.task(n);
      taskView(run, task);
      if (isLive(task)) for (const call of task.calls) if (call.state === "done") answerOf(run, call.seq);
    }
    for (const page of run.store.variables.pages(variablesAtOnce)) {
      for (const { name, kind } of page) {
        what = `variable ${name}`;
        if (isBlockingKind(kind)) requireVariable(run, name, kind);
      }
    }
  } catch (error) {
    throw error instanceof Fault ? error : wrong(`${what} can't be read`);
  }
}

function requireVariable(run: LoadedRun, name: string, kind: Parameters<typeof blockingView>[2]): void {
  blockingView(run, name, kind);
  const facts = run.state.blocking.facts.get(name);
  if (facts && facts.kind !== kind) throw wrong(`${name} is a ${facts.kind}`);
  if (facts?.kind !== "message_queue") return;
  for (const { seq, index, sizes } of facts.parts) {
    const { messages } = run.store.log.body(seq) as { messages: readonly unknown[] };
    if (messages.length < index + sizes.length) throw wrong(`messages of ${name} are missing`);
  }
}
