/** The part of `apply` that is about sessions of agents outside. */

import { priorityRootDefault } from "../limits.ts";
import { dropCalls } from "./apply-calls.ts";
import type { EventOf } from "./events.ts";
import type { RunState } from "./state.ts";
import { newTask } from "./task.ts";

export function openActor(state: RunState, event: EventOf<"actor_opened">): void {
  const { header } = state;
  const { seq, changedAt: at } = header;
  header.lastActor = -event.actor;
  const given = newTask({
    n: event.actor,
    createdSeq: seq,
    createdAt: at,
    pool: "",
    priority: priorityRootDefault,
    timeoutMs: event.ttl_ms,
    base: header.snapshot,
    phase: {
      state: "running",
      fence: 0,
      worker: event.name,
      hosted: false,
      boot: "",
      expiresAt: at + event.ttl_ms,
      blocked: false,
    },
  });
  const actor = state.keep(given);
  state.dirty.add(actor.n);
  state.indexTask(actor);
}

export function endActor(state: RunState, event: EventOf<"actor_ended">): void {
  const { seq, changedAt: at } = state.header;
  const actor = state.task(event.actor);
  dropCalls(state, actor);
  state.setPhase(actor, { state: "cancelled", seq, because: 0 });
  actor.endedAt = at;
}
