/** A variable that blocks as it explains itself: its state, who has it, who waits since when, and how contended it was. */

import type { VariableView } from "../../contract/shapes.ts";
import { inlineResultBytesMax, pageRowsMax } from "../../limits.ts";
import { queueOf, queueSize } from "../../scheduler/message-queues.ts";
import type { Waiter } from "../../scheduler/want.ts";
import type { BlockingKind } from "../../variables/ops.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { futureView, holdersOf } from "./outcome-words.ts";
import { cutFields } from "./results.ts";

export function blockingView(run: LoadedRun, name: string, kind: BlockingKind): VariableView {
  const waiters = run.state.blocking.lineOf(name)?.waiters ?? [];
  const { state, ops } = looks[kind](run, name);
  return {
    name,
    kind,
    state: { ...state, waiting: waiters.length },
    holders: holdersOf(run, name),
    waiters: waiters.slice(0, pageRowsMax).map((waiter) => waiterView(run, waiter)),
    ops,
    ops_since: null,
    created_at: null,
  };
}

/** What it waits with, apart from what all wait with and what is long. */
function waiterView(run: LoadedRun, { task, since, want }: Waiter): object {
  const { kind, names, ...more } = want;
  const shown =
    "members" in more
      ? { parties: more.parties, members: more.members.map((n) => run.taskId(n)) }
      : "sizes" in more
        ? { messages: more.sizes.length }
        : more;
  const op = kind === "push" || kind === "pop" ? { op: kind } : {};
  return { task: run.taskId(task), since, ...op, ...shown, ...(names.length > 1 && { names }) };
}

interface Look {
  readonly state: Record<string, unknown>;
  readonly ops: Record<string, number>;
}

/** Time waited over time held: 0 is a variable that nobody ever waits for. */
const contention = (waited: number, held: number) => ({
  waited_ms: waited,
  held_ms: held,
  contention: held > 0 ? waited / held : null,
});

const looks: { readonly [Kind in BlockingKind]: (run: LoadedRun, name: string) => Look } = {
  lock({ state }, name) {
    const facts = state.blocking.factsOf(name, "lock");
    const { token = 0, grants = 0, waitedMs = 0, heldMs = 0 } = facts ?? {};
    return { state: { token, ...contention(waitedMs, heldMs) }, ops: { grants } };
  },
  semaphore({ state }, name) {
    const facts = state.blocking.factsOf(name, "semaphore");
    const { permits = 0, grants = 0, waitedMs = 0, heldMs = 0 } = facts ?? {};
    const available = permits - state.blocking.line(name, "semaphore").held;
    return { state: { permits, available, ...contention(waitedMs, heldMs) }, ops: { grants } };
  },
  barrier({ state }, name) {
    const { generation = 0, broken = 0, waitedMs = 0 } = state.blocking.factsOf(name, "barrier") ?? {};
    const parties = state.blocking.line(name, "barrier").first?.want.parties ?? null;
    return { state: { generation, parties, waited_ms: waitedMs }, ops: { passed: generation - broken, broken } };
  },
  message_queue({ state }, name) {
    const facts = queueOf(state, name);
    const { capacity, closed, pushed, popped, waitedMs } = facts;
    return { state: { size: queueSize(facts), capacity, closed, waited_ms: waitedMs }, ops: { pushed, popped } };
  },
  future(run, name) {
    const { state, ...settled } = futureView(run, name);
    const shown = cutFields(settled, inlineResultBytesMax);
    return { state: { state, ...shown }, ops: { settled: state === "pending" ? 0 : 1 } };
  },
};
