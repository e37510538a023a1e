/** Hosted seats: one RPC a turn, and the next task in the same answer when an attempt is over. */

import type { ToolCall } from "../../context/types.ts";
import { Fault } from "../../errors/fault.ts";
import { seatLingerForTimeMs, seatLingerMs, seatServesMs } from "../../limits.ts";
import { leased } from "../../scheduler/attempts.ts";
import { availabilityDueAt } from "../../scheduler/availability.ts";
import { needsReservation, reserveTokens } from "../../scheduler/budget.ts";
import { noteBudgets } from "../../scheduler/budget-notes.ts";
import { endAttemptsOfSeat } from "../../scheduler/clock.ts";
import { goesOn } from "../../scheduler/inbox.ts";
import { noteLate } from "../../scheduler/late.ts";
import { endCall, failCall, leasedCall } from "../../scheduler/remote-calls.ts";
import { roomInShare } from "../../scheduler/seat-shares.ts";
import type { RunState } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import { firstToken, holdEndAt } from "../../scheduler/warming.ts";
import type { LeaseRef } from "../rpc.ts";
import type {
  Answer,
  Ending,
  Leave,
  NextTask,
  PartialPiece,
  ReservationWanted,
  SeatJob,
  SeatReply,
  SeatReservation,
  SeatTicket,
  SeatTurn,
  UrlOutcome,
} from "../seat-rpc.ts";
import { answerText } from "./answers.ts";
import { compactContext } from "./compaction.ts";
import type { LeasedTask } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { usageDelta } from "./money.ts";
import { ok } from "./replies.ts";
import { mayGoOn, observedEnding, observeTurn } from "./seat-calls.ts";
import { answerCalls, endAttempt, type LaterCall, logTurn } from "./seat-turns.ts";
import type { RunShell } from "./shell.ts";
import { hasHostedWork } from "./start-hosted.ts";
import { inboxTexts } from "./task-messages.ts";
import type { VariableCalls } from "./variable-calls.ts";

const over: SeatReply = { kind: "over" };

/** Of what may be a repeat: the answer to the first may have had a task for the seat, which has not heard of it. */
function noteRepeat(step: Step, lease: LeaseRef, op: string, next: NextTask | undefined): void {
  noteLate(step, lease, op);
  if (next) endAttemptsOfSeat(step, next.nonce);
}

export class HostedSeats {
  readonly #shell: RunShell;
  readonly #variables: VariableCalls;

  constructor(shell: RunShell, variables: VariableCalls) {
    this.#shell = shell;
    this.#variables = variables;
  }

  async openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatJob | undefined> {
    const run = this.#shell.load();
    if (!run || !this.#shell.seats.open(ticket.nonce, this.#shell.now())) return undefined;
    run.state.availability.seatWorked(this.#shell.now(), 0);
    return this.#nextWork(next);
  }

  seatBroke(nonce: string): void {
    this.#shell.seats.broke(nonce, this.#shell.now());
    this.#shell.command((step) => {
      endAttemptsOfSeat(step, nonce);
      return ok(null);
    });
  }

  async seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply> {
    const used = turn.usage.input_tokens + turn.usage.output_tokens;
    return this.#carryOut(lease, turn.calls, next, {
      begin: (step, run, task) => {
        observeTurn(step, task, turn);
        return logTurn(step, run, task, turn);
      },
      ending: (state, task) => (turn.isFinal && goesOn(state, task, used) ? undefined : turn.ending),
    });
  }

  async seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply> {
    return this.#carryOut(lease, calls, undefined, {});
  }

  /**
   * Carries out a reply's calls, in as many steps as their order asks for (`answerCalls`), and then ends the attempt if the reply
   * does. Whatever dies in between, the next attempt goes on with the calls that have no answer.
   */
  async #carryOut(
    lease: LeaseRef,
    calls: readonly ToolCall[],
    next: NextTask | undefined,
    reply: {
      /** Logs the reply, in the first step. */
      readonly begin?: (step: Step, run: LoadedRun, task: LeasedTask) => string;
      readonly ending?: (state: RunState, task: Task) => Ending | undefined;
    },
  ): Promise<SeatReply> {
    let answers: Readonly<Record<string, Answer>> = {};
    let finish: Ending | undefined;
    let left = calls;
    for (let isFirst = true; ; isFirst = false) {
      let laters: readonly LaterCall[] = [];
      const begin = isFirst ? reply.begin : undefined;
      const decided = await this.#seatCommand(lease, begin ? "turn" : "call", next, (step, run, task) => {
        const snapshot = begin ? begin(step, run, task) : (task.head ?? task.base);
        const done = answerCalls(step, run, task, left);
        ({ laters, rest: left } = done);
        finish ??= done.finish;
        answers = { ...answers, ...done.answers };
        const ending = left.length > 0 ? undefined : (reply.ending?.(step.state, task) ?? finish);
        // Its end is the last thing that a reply does, and lets go of all that it holds.
        run.state.blocking.setUnfinished(task, left.length > 0 || (laters.length > 0 && ending !== undefined));
        if (ending && laters.length === 0) {
          endAttempt(step, task, ending);
          return over;
        }
        if (begin) noteBudgets(step, task);
        const isPaused = step.state.header.status === "paused" || (begin && !mayGoOn(step, task));
        return this.#goOn(run, task, { snapshot, answers, paused: isPaused === true }, step.now);
      });
      const told = await this.#withLaters(decided, laters);
      if (told.kind === "over") return told;
      answers = { ...answers, ...told.answers };
      const run = this.#shell.load();
      const task = run && leased(run.state, lease.taskNumber, lease.fence);
      const mayEnd = laters.length > 0 && task && (reply.ending?.(run.state, task) ?? finish);
      // What a step ends with may pause the run: a rule whose bound this very turn has passed.
      const paused = told.paused || run?.state.header.status === "paused";
      if (left.length === 0 && !mayEnd) return { ...told, answers, paused };
    }
  }

  #goOn(
    run: LoadedRun,
    task: Task,
    reply: Pick<Extract<SeatReply, { kind: "go_on" }>, "snapshot" | "answers" | "paused">,
    now: number,
  ): SeatReply {
    return {
      kind: "go_on",
      ...reply,
      messages: inboxTexts(run, task),
      watched: this.#shell.partials.isWatched(now),
      reserves: needsReservation(run.state, task),
    };
  }

  partialText(lease: LeaseRef, piece: PartialPiece): { watched: boolean } {
    const { partials } = this.#shell;
    const run = this.#shell.load();
    const task = run && leased(run.state, lease.taskNumber, lease.fence);
    const now = this.#shell.now();
    // One that was overtaken by its turn tells nothing new.
    if (task && piece.turn === task.turns + 1) partials.add(task.n, lease.fence, piece, now);
    return { watched: task !== undefined && partials.isWatched(now) };
  }

  /** Adds the answers of variables. Ops on one variable are carried out in the order of the calls, others side by side. */
  async #withLaters(reply: SeatReply, laters: readonly LaterCall[]): Promise<SeatReply> {
    const run = this.#shell.load();
    if (!run || reply.kind !== "go_on" || laters.length === 0) return reply;
    const answers = new Map(Object.entries(reply.answers));
    const byName = Map.groupBy(laters, ({ later }) => (later.kind === "look" ? later.variable : later.call.name));
    await Promise.all(
      Array.from(byName.values(), async (calls) => {
        for (const { call, later, op } of calls) {
          const done = await this.#variables.finish(run, later, op);
          // The seat breaks with it, and another attempt asks again when the lease is over: the op is the same op.
          if (!done.ok && done.fault.code === "overloaded") throw Fault.of(done.fault);
          if (done.ok) answers.set(call, answerText(done.value));
        }
      }),
    );
    return { ...reply, answers: Object.fromEntries(answers) };
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
      if (leave.kind === "too_long") compactContext(step, run, task, leave);
      else if (leave.kind === "end")
        endAttempt(step, task, observedEnding(step, task, leave), leave.usage && usageDelta(run, leave.usage));
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
      else noteRepeat(step, lease, "url_call", next);
      const work = next && this.#shell.startHosted(step, run, next);
      return ok(work ? { kind: "over", work } : over);
    });
    return this.#orLinger(reply.ok ? reply.value : over, next);
  }

  /** A seat's command; when its attempt is over, the next task is started in the same step if one is ready. */
  async #seatCommand(
    lease: LeaseRef,
    op: string,
    next: NextTask | undefined,
    decide: (step: Step, run: LoadedRun, task: LeasedTask) => SeatReply,
  ): Promise<SeatReply> {
    const reply = await this.#shell.together<SeatReply>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      // A turn is never said again (object-calls.ts): one that is late is no repeat.
      if (!task) (op === "turn" ? noteLate : noteRepeat)(step, lease, op, next);
      const seat = task?.phase.worker;
      const decided = task ? decide(step, run, task) : over;
      if (task && op !== "call") this.#shell.partials.end(task.n);
      // It has served its time; where it was an attempt's alone, the lease that it was lost with says so.
      if (decided.kind === "over" && !next && seat) step.emit({ type: "seat_closed", seat, why: "served" });
      if (decided.kind === "go_on" || !next) return ok(decided);
      const work = this.#shell.startHosted(step, run, next);
      return ok(work ? { kind: "over", work } : over);
    });
    return this.#orLinger(reply.ok ? reply.value : over, next);
  }

  async #orLinger(decided: SeatReply, next: NextTask | undefined): Promise<SeatReply> {
    if (decided.kind === "go_on" || decided.work || !next) return decided;
    const work = await this.#nextWork(next);
    return work ? { kind: "over", work } : over;
  }

  /**
   * Starts the next hosted task; an idle seat lingers a moment while others are live, since work often follows work. While tasks
   * are held it stays until they are let go: seats that had to be opened anew would make the hold longer.
   */
  async #nextWork(next: NextTask): Promise<SeatJob | undefined> {
    const { seats } = this.#shell;
    try {
      const run = this.#shell.load();
      const work = run && ((await this.#askForTask(run, next)) ?? (await this.#lingerForTask(run, next)));
      if (!work) this.#shell.seatClosed(next.nonce);
      return work;
    } finally {
      seats.answered(next.nonce);
    }
  }

  async #askForTask({ state }: LoadedRun, next: NextTask): Promise<SeatJob | undefined> {
    const { seats } = this.#shell;
    if (!hasHostedWork(state, this.#shell.now())) return undefined;
    seats.asks(next.nonce);
    const reply = await this.#shell.together((step, run) => {
      seats.answered(next.nonce);
      return ok(this.#shell.startHosted(step, run, next));
    });
    return reply.ok ? reply.value : undefined;
  }

  async #lingerForTask({ state }: LoadedRun, next: NextTask): Promise<SeatJob | undefined> {
    if (state.liveCount() === 0 || state.header.status !== "active") return undefined;
    // It has a seat too many: what is ready is for others.
    if (roomInShare(state) === 0) return undefined;
    const now = this.#shell.now();
    const held = Math.min((holdEndAt(state) ?? now) - now, seatServesMs);
    const timed = Math.min((availabilityDueAt(state) ?? now) - now, seatLingerForTimeMs);
    return this.#shell.seats.linger(next, Math.max(seatLingerMs, held, timed));
  }
}
