/** Actor sessions: the holds and waits of agents outside, each with a time to live that its calls renew. */

import type { ActorView, Page, ToolOutcome } from "../../contract/shapes.ts";
import { actorNumber } from "../../ids.ts";
import { actorsPerRunMax } from "../../limits.ts";
import { type Actor, endActor, isLiveActor, openActor } from "../../scheduler/actors.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Task } from "../../scheduler/task.ts";
import type { Idem, Reply, ToolCallInput } from "../rpc.ts";
import { answerBefore, answerEver, answerText, answerTo } from "./answers.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { appendOutside, baseOfCalls, nameOfCall } from "./outside-calls.ts";
import { enteringWith, newCallId, toldByNew } from "./outside-waits.ts";
import { answerView, badCursor, firstOf, ok, placeOf, refuse, toolReply } from "./replies.ts";
import type { RunShell } from "./shell.ts";
import { hasTool, noTool, runTool } from "./tool-calls.ts";
import { waitingOn } from "./views.ts";

const noActor = refuse({ code: "not_found", detail: "This run has no such session; it may have ended." });

/** A session's renewals are stored in steps of this part of its ttl_ms. */
const renewalParts = 4;

export class Actors {
  readonly #shell: RunShell;
  /** Until when storage knows that each session lasts. */
  readonly #written = new Map<number, number>();
  /** Long polls of sessions that are under way, each with the time at which it ends. */
  readonly #polls = new Set<{ readonly actor: number; readonly until: number }>();

  constructor(shell: RunShell) {
    this.#shell = shell;
  }

  open(input: { name?: string; ttlMs: number }, idem?: Idem): Reply<ActorView> {
    return this.#shell.command((step, run) => {
      if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
      if (step.state.actors.size >= actorsPerRunMax) return refuse({ code: "limit_actors" });
      return ok(actorView(run, openActor(step, input.ttlMs, input.name ?? "")));
    }, idem);
  }

  renew(id: string): Reply<ActorView> {
    const run = this.#shell.load();
    const actor = run && liveActor(run, id);
    if (!run || !actor) return noActor;
    this.#keep(run, actor);
    return ok(actorView(run, actor));
  }

  close(id: string): Reply<null> {
    return this.#shell.command((step, run) => {
      const actor = liveActor(run, id);
      if (!actor) return noActor;
      endActor(step, actor, "closed");
      this.#written.delete(actor.n);
      return ok(null);
    });
  }

  one(id: string): Reply<ActorView> {
    return this.#shell.read((run) => {
      const actor = liveActor(run, id);
      return actor ? ok(actorView(run, actor)) : noActor;
    });
  }

  list({ limit, cursor }: { limit: number; cursor?: string }): Reply<Page<ActorView>> {
    const after = placeOf(cursor);
    if (after === undefined) return badCursor;
    return this.#shell.read((run) => {
      const later = [...run.state.actors].map((n) => -n).filter((n) => n > after);
      const { rows, nextCursor } = firstOf(
        later.sort((a, b) => a - b),
        limit,
        (n) => n,
      );
      return ok({ rows: rows.map((n) => actorView(run, run.state.task(-n) as Actor)), nextCursor });
    });
  }

  /**
   * A call of a tool that blocks: the session holds and waits as a task does, and a long poll shows the answer. Its id is the session's own:
   * the same call again gets the first answer, and another under its id is refused as a reused Idempotency-Key is. An answer outlives its
   * session: who asked may have lost it, and what was taken with it nobody else gets.
   */
  async callTool(id: string, input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    // A call without an id gets one of ours, which tells enough of it: neither it nor who asks again by that costs a row.
    const isNew = input.callId === undefined;
    const callId = input.callId ?? newCallId(this.#shell.now(), input);
    const begun = toldByNew(input);
    const name = isNew || begun ? undefined : nameOfCall(input, id, callId);
    const reply = this.#shell.command<ToolOutcome>(
      (step, run) => {
        const actor = liveActor(run, id);
        if (!actor) return noActor;
        if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
        if (!hasTool(run, input.tool)) return noTool(run, input.tool);
        if (begun && !begun.isSame) return refuse({ code: "idempotency_mismatch" });
        const known = (begun ? answerEver : answerTo)(run, actor, callId);
        if (known) return ok(answerView(known));
        const messages = enteringWith(input);
        const after = input.snapshot ?? baseOfCalls(run, step.state.header.snapshot, messages);
        const appended = appendOutside(step, run, after, messages);
        if (!appended.ok) return appended;
        const caller = { task: actor, callId, base: appended.snapshot, inTranscript: false };
        const done = runTool(step, run, caller, input.tool, input.arguments);
        if (!isNew && (done.kind === "result" || done.kind === "error")) {
          const event = { type: "call_done", task: actor.n, call: callId, tool: input.tool, why: "answered" } as const;
          step.emit(event, answerText(done));
        }
        return toolReply(done, callId);
      },
      idem,
      name,
    );
    if (reply.ok) this.#renewed(id);
    if (!reply.ok || !("pending" in reply.value)) return reply;
    // A repeated key takes up the wait that its first request began.
    const { call_id } = reply.value;
    const answer = () => {
      const run = this.#shell.load();
      if (!run) return noActor;
      const actor = liveActor(run, id);
      if (actor) {
        const done = answerEver(run, actor, call_id);
        return done && ok(answerView(done));
      }
      const done = answerBefore(run, endedActor(run, id), call_id);
      return done ? ok(answerView(done)) : noActor;
    };
    const known = answer();
    if (known || input.waitMs <= 0) return known ?? reply;
    await this.#polled(id, input.waitMs, () => this.#shell.signals.wait(input.waitMs, () => answer() !== undefined));
    return answer() ?? reply;
  }

  /** A session lasts while a call of it is open; its own time begins again when that is answered. */
  async #polled(id: string, waitMs: number, poll: () => Promise<void>): Promise<void> {
    const open = { actor: this.#renewed(id), until: this.#shell.now() + waitMs };
    this.#polls.add(open);
    this.#renewed(id);
    await poll();
    this.#polls.delete(open);
    this.#renewed(id);
  }

  #renewed(id: string): number {
    const run = this.#shell.load();
    const actor = run && liveActor(run, id);
    if (run && actor) this.#keep(run, actor);
    return actor?.n ?? 0;
  }

  /** Until its own time after now, or after the last of its long polls. */
  #keep(run: LoadedRun, actor: Actor): void {
    const { phase, n, timeoutMs } = actor;
    const polls = [...this.#polls].filter((poll) => poll.actor === n);
    phase.expiresAt = Math.max(this.#shell.now(), ...polls.map(({ until }) => until)) + timeoutMs;
    run.state.retime(actor);
    // A row for each call would double what a busy session costs; a restart changes its time by at most this part.
    const written = this.#written.get(n) ?? 0;
    if (Math.abs(phase.expiresAt - written) < timeoutMs / renewalParts) return;
    this.#written.set(n, phase.expiresAt);
    // Of sessions whose time ran out nobody says so.
    if (this.#written.size > 2 * actorsPerRunMax)
      for (const one of this.#written.keys()) if (!run.state.actors.has(one)) this.#written.delete(one);
    run.store.putRenewal(n, phase.fence, phase.expiresAt);
    this.#shell.effects.arm();
  }
}

function liveActor(run: LoadedRun, id: string): Actor | undefined {
  const n = actorNumber(run.id, id);
  const actor: Task | undefined = n === undefined ? undefined : run.state.tasks.get(-n);
  return isLiveActor(actor) ? actor : undefined;
}

/** What the log knows one by that is over. */
const endedActor = (run: LoadedRun, id: string) => ({ n: -(actorNumber(run.id, id) ?? 0), createdSeq: 0 });

const actorView = (run: LoadedRun, actor: Actor): ActorView => ({
  id: run.taskId(actor.n),
  name: actor.phase.worker,
  ttl_ms: actor.timeoutMs,
  created_at: actor.createdAt,
  expires_at: actor.phase.expiresAt,
  holds: [
    ...actor.holds.map(({ name, token, mode, since }) => ({ variable: name, token, mode, since })),
    ...actor.permits.map(({ name, permits, since }) => ({ variable: name, permits, since })),
  ],
  waiting_on: waitingOn(run, actor),
});
