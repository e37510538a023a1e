/** Hosted seats: one RPC a turn, and the next task in the same answer when an attempt is over. */

import type { ToolCall } from "../../context/types.ts";
import { seatLingerMs } from "../../limits.ts";
import { leased, nextReady } from "../../scheduler/attempts.ts";
import { reserveTokens } from "../../scheduler/budget.ts";
import { compareReady } from "../../scheduler/ready-queue.ts";
import { endCall, failCall, leasedCall, nextCall, urlPool } from "../../scheduler/remote-calls.ts";
import { readyKeyOf } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import { hostedPool, type Running, type Task } from "../../scheduler/task.ts";
import type { LeaseRef } from "../rpc.ts";
import type {
  Answer,
  Leave,
  NextTask,
  SeatJob,
  SeatReply,
  SeatTicket,
  SeatTurn,
  SeatWork,
  UrlOutcome,
} from "../seat-rpc.ts";
import { seatWork } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { startUrlCall } from "./remote-calls.ts";
import { ok } from "./replies.ts";
import { answerCalls, answerText, endAttempt, type LaterCall, logTurn, usageDelta } from "./seat-turns.ts";
import type { RunShell } from "./shell.ts";
import { startTask } from "./start-task.ts";
import type { VariableCalls } from "./variable-calls.ts";

const over: SeatReply = { kind: "over" };

export class HostedSeats {
  readonly #shell: RunShell;
  readonly #variables: VariableCalls;
  readonly #boot: string;

  constructor(shell: RunShell, variables: VariableCalls, boot: string) {
    this.#shell = shell;
    this.#variables = variables;
    this.#boot = boot;
  }

  async openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatJob | undefined> {
    if (!this.#shell.load() || !this.#shell.seats.open(ticket.nonce, this.#shell.now())) return undefined;
    return this.#nextWork(next);
  }

  async seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply> {
    const laters: LaterCall[] = [];
    const reply = await this.#seatCommand(lease, "turn", next, (step, run, task) => {
      const snapshot = logTurn(step, run, task, turn);
      const answers = answerCalls(step, run, task, turn.calls, laters);
      if (turn.ending) {
        endAttempt(step, task, turn.ending);
        return over;
      }
      return { kind: "go_on", snapshot, answers, paused: step.state.header.status === "paused" };
    });
    return this.#withLaters(reply, laters);
  }

  async seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply> {
    const laters: LaterCall[] = [];
    const reply = await this.#seatCommand(lease, "call", undefined, (step, run, task) => ({
      kind: "go_on",
      snapshot: task.head ?? task.base,
      answers: answerCalls(step, run, task, calls, laters),
      paused: step.state.header.status === "paused",
    }));
    return this.#withLaters(reply, laters);
  }

  /** Adds the answers of variables. Ops on one variable are carried out in the order of the calls, others side by side. */
  async #withLaters(reply: SeatReply, laters: readonly LaterCall[]): Promise<SeatReply> {
    const run = this.#shell.load();
    if (!run || reply.kind !== "go_on" || laters.length === 0) return reply;
    const answers: Record<string, Answer> = { ...reply.answers };
    const byName = Map.groupBy(laters, ({ later }) => (later.kind === "look" ? later.variable : later.call.name));
    await Promise.all(
      Array.from(byName.values(), async (calls) => {
        for (const { call, later, id } of calls) {
          const done = await this.#variables.finish(run, later, id);
          if (done.ok) answers[call] = answerText(done.value);
        }
      }),
    );
    return { ...reply, answers };
  }

  async reserve(
    lease: LeaseRef,
    want: { inputTokens: number; outputTokens: number },
  ): Promise<{ kind: "reserved"; outputTokens: number } | { kind: "parked" | "lost" | "exhausted" }> {
    const reply = await this.#shell.together((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      return ok(task ? reserveTokens(step, task, want) : ({ kind: "lost" } as const));
    });
    return reply.ok ? reply.value : { kind: "lost" };
  }

  async leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply> {
    return this.#seatCommand(lease, leave.kind, next, (step, _run, task) => {
      if (leave.kind === "end") endAttempt(step, task, leave.ending, leave.usage && usageDelta(leave.usage));
      else if (leave.kind === "wait" && task.calls.some((call) => call.state === "waiting")) {
        step.emit({ type: "task_parked", task: task.n, fence: task.phase.fence, on: "calls" });
      } else step.emit({ type: "task_ready", task: task.n, why: "given_back" });
      return over;
    });
  }

  /** An attempt of a url is over: the call has its result, or is tried again. */
  async endUrlCall(
    lease: LeaseRef & { readonly call: number },
    outcome: UrlOutcome,
    next: NextTask | undefined,
  ): Promise<SeatReply> {
    const reply = await this.#shell.together<SeatReply>((step, run) => {
      const found = leasedCall(run.state, lease.call, lease.fence);
      if (found && outcome.kind === "result") endCall(step, found, outcome);
      else if (found && outcome.kind === "error") failCall(step, found, outcome);
      else if (run.state.find(lease.taskNumber))
        step.emit({ type: "late_refused", task: lease.taskNumber, fence: lease.fence, op: "url_call" });
      const work = next && this.#start(step, run, next);
      return ok(work ? { kind: "over", work } : over);
    });
    return this.#orLinger(reply.ok ? reply.value : over, next);
  }

  /** A seat's command; when its attempt is over, the next task is started in the same step if one is ready. */
  async #seatCommand(
    lease: LeaseRef,
    op: string,
    next: NextTask | undefined,
    decide: (step: Step, run: LoadedRun, task: Task & { phase: Running }) => SeatReply,
  ): Promise<SeatReply> {
    const reply = await this.#shell.together<SeatReply>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      if (!task && run.state.find(lease.taskNumber)) {
        step.emit({ type: "late_refused", task: lease.taskNumber, fence: lease.fence, op });
      }
      const decided = task ? decide(step, run, task) : over;
      if (decided.kind === "go_on" || !next) return ok(decided);
      const work = this.#start(step, run, next);
      return ok(work ? { kind: "over", work } : over);
    });
    return this.#orLinger(reply.ok ? reply.value : over, next);
  }

  async #orLinger(decided: SeatReply, next: NextTask | undefined): Promise<SeatReply> {
    if (decided.kind === "go_on" || decided.work || !next) return decided;
    const work = await this.#nextWork(next);
    return work ? { kind: "over", work } : over;
  }

  /** Starts the next hosted task; an idle seat lingers a moment while others are live, since work often follows work. */
  async #nextWork(next: NextTask): Promise<SeatJob | undefined> {
    const until = this.#shell.now() + seatLingerMs;
    for (;;) {
      const reply = await this.#shell.together((step, run) => ok(this.#start(step, run, next)));
      const state = this.#shell.load()?.state;
      const left = until - this.#shell.now();
      if (
        !reply.ok ||
        reply.value ||
        !state ||
        state.liveCount() === 0 ||
        state.header.status !== "active" ||
        left <= 0
      ) {
        if (!reply.ok || !reply.value) this.#shell.seats.close(next.nonce);
        return reply.ok ? reply.value : undefined;
      }
      await this.#shell.seats.linger(left);
    }
  }

  /** A task, or a call of a url, whichever goes first: one order for both. A call uses none of the run's workers. */
  #start(step: Step, run: LoadedRun, next: NextTask): SeatJob | undefined {
    const { state, now } = step;
    const starter = { pool: hostedPool, worker: next.nonce, boot: this.#boot };
    const task = nextReady(state, hostedPool, now);
    const call = nextCall(state, urlPool, now);
    const callFirst = call && !(task && compareReady(readyKeyOf(task), call.key, now) < 0);
    const begun: SeatWork | undefined =
      task && !callFirst ? startTask(step, starter, (one) => seatWork(run, one, next)) : undefined;
    return begun ?? startUrlCall(step, run, starter);
  }
}
