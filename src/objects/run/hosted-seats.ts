/** Hosted seats: one RPC a turn, and the next task in the same answer when an attempt is over. */

import type { ToolCall } from "../../context/types.ts";
import { seatLingerMs, seatServesMs } from "../../limits.ts";
import { leased, nextReady } from "../../scheduler/attempts.ts";
import { reserveTokens } from "../../scheduler/budget.ts";
import type { Step } from "../../scheduler/step.ts";
import { hostedPool, type Running, type Task } from "../../scheduler/task.ts";
import { firstToken, holdEndAt } from "../../scheduler/warming.ts";
import type { LeaseRef } from "../rpc.ts";
import type {
  Answer,
  Leave,
  NextTask,
  ReservationWanted,
  SeatReply,
  SeatReservation,
  SeatTicket,
  SeatTurn,
  SeatWork,
} from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { usageDelta } from "./money.ts";
import { ok } from "./replies.ts";
import { answerCalls, answerText, endAttempt, type LaterCall, logTurn } from "./seat-turns.ts";
import type { RunShell } from "./shell.ts";
import { startHosted } from "./start-hosted.ts";
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

  async openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatWork | undefined> {
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

  async firstToken(lease: LeaseRef): Promise<void> {
    await this.#shell.together((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      if (task) firstToken(step, task);
      return ok(null);
    });
  }

  async reserve(lease: LeaseRef, { model, ...want }: ReservationWanted): Promise<SeatReservation> {
    const reply = await this.#shell.together<SeatReservation>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      const price = model && run.models.priceOf(model)?.price;
      return ok(task ? reserveTokens(step, task, want, price) : ({ kind: "lost" } as const));
    });
    return reply.ok ? reply.value : { kind: "lost" };
  }

  async leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply> {
    return this.#seatCommand(lease, leave.kind, next, (step, run, task) => {
      if (leave.kind === "end") endAttempt(step, task, leave.ending, leave.usage && usageDelta(run, leave.usage));
      else if (leave.kind === "wait" && task.calls.some((call) => call.state === "waiting")) {
        step.emit({ type: "task_parked", task: task.n, fence: task.phase.fence, on: "calls" });
      } else step.emit({ type: "task_ready", task: task.n, why: "given_back" });
      return over;
    });
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
      const work = startHosted(step, run, next, this.#boot);
      return ok(work ? { kind: "over", work } : over);
    });
    const decided = reply.ok ? reply.value : over;
    if (decided.kind === "go_on" || decided.work || !next) return decided;
    const work = await this.#nextWork(next);
    return work ? { kind: "over", work } : over;
  }

  /**
   * Starts the next hosted task; an idle seat lingers a moment while others are live, since work often follows work. While tasks
   * are held it stays until they are let go: seats that had to be opened anew would make the hold longer.
   */
  async #nextWork(next: NextTask): Promise<SeatWork | undefined> {
    const { seats } = this.#shell;
    try {
      const run = this.#shell.load();
      const work = run && ((await this.#askForTask(run, next)) ?? (await this.#lingerForTask(run, next)));
      if (!work) seats.close(next.nonce);
      return work;
    } finally {
      seats.answered(next.nonce);
    }
  }

  async #askForTask({ state }: LoadedRun, next: NextTask): Promise<SeatWork | undefined> {
    const { seats } = this.#shell;
    if (!nextReady(state, hostedPool, this.#shell.now())) return undefined;
    seats.asks(next.nonce);
    const reply = await this.#shell.together((step, run) => {
      seats.answered(next.nonce);
      return ok(startHosted(step, run, next, this.#boot));
    });
    return reply.ok ? reply.value : undefined;
  }

  async #lingerForTask({ state }: LoadedRun, next: NextTask): Promise<SeatWork | undefined> {
    if (state.liveCount() === 0 || state.header.status !== "active") return undefined;
    const now = this.#shell.now();
    const held = Math.min((holdEndAt(state) ?? now) - now, seatServesMs);
    return this.#shell.seats.linger(next, Math.max(seatLingerMs, held));
  }
}
