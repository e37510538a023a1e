/**
 * Worlds with questions (SPEC, Questions): tasks that wait for somebody outside, somebody who answers, also twice and too late, and what
 * must hold of that whatever happens.
 *
 * Does not own: the object and its crashes (world.ts).
 */

import type { Decided, SchedulerEvent } from "../../src/scheduler/events.ts";
import { awaitFutures } from "../../src/scheduler/futures.ts";
import { pop } from "../../src/scheduler/message-queues.ts";
import { type Answer, type Answered, answerQuestion, openAsks, openStall } from "../../src/scheduler/questions.ts";
import type { RunState } from "../../src/scheduler/state.ts";
import type { Step } from "../../src/scheduler/step.ts";
import type { Task } from "../../src/scheduler/task.ts";
import type { Random } from "./random.ts";

/** What may follow at once from an answer, before what came free is handed on. */
const follows: Readonly<Record<"future" | "pop" | "decline", readonly SchedulerEvent["type"][]>> = {
  future: ["future_settled"],
  pop: ["messages_pushed"],
  decline: ["call_done", "task_ready", "call_blocked"],
};

export class QuestionWorld {
  readonly #random: Random;
  /** Questions that there ever were, by the log. */
  readonly #asked: number[] = [];
  /** Whose wait is over, by the log. */
  readonly #over = new Set<number>();
  readonly #open = new Map<string, number>();
  /** Messages that were pushed in answer to a question, and who asked. */
  readonly #answers = new Map<string, number>();
  readonly #askers = new Map<number, number>();
  /** When the stall that there is was given more time. */
  #extendedAt: number | undefined;
  /** How answers went. */
  readonly #happened = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  get happened(): ReadonlyMap<string, number> {
    return this.#happened;
  }

  /** A task asks. Without a timeout nobody but whoever answers ends it. */
  ask(step: Step, task: Task, call: string): { readonly kind: string } | undefined {
    const random = this.#random;
    const until = random.chance(0.5) ? step.now + random.int(1, 300) * 1000 : 0;
    if (random.chance(0.5))
      return pop(step, { task, call, until }, random.pick(["asks", "qa"])!, { max: random.int(1, 2), external: true });
    const names = [...new Set(Array.from({ length: random.int(1, 3) }, () => `q${random.int(0, 60)}`))];
    const mode = random.pick(["all", "any", "settled"] as const)!;
    return awaitFutures(step, task, { call, names, mode, one: names.length === 1, until, external: true });
  }

  /** Somebody answers what is asked, or was. */
  answer(step: Step): void {
    const random = this.#random;
    const { state } = step;
    const stall = openStall(state);
    const open = openAsks(state).map(({ call }) => call.seq);
    const offered = [...open, ...(stall ? [stall.seq, ...stall.waits.map(({ call }) => call.seq)] : [])];
    const seq = stall && random.chance(0.5) ? stall.seq : random.pick(random.chance(0.75) ? offered : this.#asked);
    if (seq === undefined) return;
    const isStall = stall?.seq === seq && random.chance(0.8);
    const action = isStall ? "extend" : random.pick(["answer", "answer", "answer", "decline", "cancel"])!;
    this.#give(step, seq, this.#answerOf(action, namesAsked(state, seq)));
  }

  /** Each question that there is, in the best way. */
  answerAll(step: Step): void {
    for (const { call } of openAsks(step.state))
      for (const name of namesAsked(step.state, call.seq)) {
        if (openAsks(step.state).some((one) => one.call.seq === call.seq))
          this.#give(step, call.seq, { action: "answer", value: 1, bytes: 1, name });
      }
  }

  #answerOf(action: string, names: readonly string[]): Answer {
    const random = this.#random;
    const name = random.chance(0.7) ? random.pick(names) : random.chance(0.1) ? "another" : undefined;
    const named = name === undefined ? {} : { name };
    if (action === "answer") return { action, value: 1, bytes: 1, ...named };
    return action === "decline" ? { action, ...named } : { action: action === "extend" ? "extend" : "cancel" };
  }

  #give(step: Step, seq: number, answer: Answer): void {
    const { state } = step;
    const wait = waitOf(state, seq);
    const before = step.decided.length;
    const done = answerQuestion(step, seq, answer);
    const types = step.decided.slice(before).map(({ event }) => event.type);
    this.#count(done, answer);
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what}: ${JSON.stringify({ seq, answer, done, wait, types })}`);
    };
    if (done.kind !== "done") {
      must(types.length === 0, "[QU3] an answer that is refused changes nothing");
      return;
    }
    if (answer.action === "extend") {
      must(types.join() === "stall_extended", "[QU5] more time is in the log");
      return;
    }
    must(wait !== undefined && !this.#over.has(seq), "[QU3] an answer is for a wait that there is");
    if (answer.action === "cancel") {
      must(state.live(wait!.task) === undefined, "[QU3] the task is cancelled");
      return;
    }
    const { kind } = wait!;
    const allowed = answer.action === "decline" && kind === "pop" ? follows.decline : follows[kind];
    must(
      types.length > 0 && types.every((type) => allowed.includes(type)),
      answer.action === "decline" ? "[QU4] a refusal is for what was asked alone" : "[QU3] an answer does one thing",
    );
    must(types.filter((type) => type === "call_done").length <= 1, "[QU4] one wait ends");
    must(answer.action === "decline" || types.length === 1, "[QU3] one value for an answer");
  }

  #count({ kind }: Answered, { action }: Answer): void {
    const name = `${action} ${kind}`;
    this.#happened.set(name, (this.#happened.get(name) ?? 0) + 1);
  }

  add({ seq, event, causes }: Decided, at: number, { header }: RunState): void {
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what}, at ${JSON.stringify({ seq, at, event })}`);
    };
    switch (event.type) {
      case "call_waiting":
        if (event.task <= 0 || !event.want || !("external" in event.want) || !event.want.external) return;
        this.#asked.push(seq);
        this.#askers.set(seq, event.task);
        this.#open.set(`${event.task} ${event.call}`, seq);
        return;
      case "messages_pushed": {
        const asker = causes.map((cause) => this.#askers.get(cause)).find((task) => task !== undefined);
        if (asker !== undefined && event.from === undefined) this.#answers.set(event.name, asker);
        return;
      }
      case "messages_popped": {
        const asker = this.#answers.get(event.name);
        this.#answers.delete(event.name);
        must(asker === undefined || event.task === asker, "[QU1] a message in answer is for who asked");
        return;
      }
      case "finding":
        if (event.kind === "stall") this.#extendedAt = undefined;
        else if (event.message.includes("nobody is left"))
          must(
            this.#extendedAt === undefined || at >= this.#extendedAt + header.limits.stallMs,
            "[QU5] more time is given in full",
          );
        return;
      case "stall_extended":
        this.#extendedAt = at;
        return;
      case "call_done":
        this.#end(event.task, event.call);
        this.#extendedAt = undefined;
        return;
      case "task_ended":
        this.#end(event.task);
        this.#extendedAt = undefined;
        return;
      case "turn":
        this.#end(event.task);
        this.#extendedAt = undefined;
        return;
      case "task_ready":
      case "task_created":
      case "attempt_ended":
        this.#extendedAt = undefined;
        return;
      default:
    }
  }

  #end(task: number, call?: string): void {
    for (const [name, seq] of this.#open) {
      if (call === undefined ? !name.startsWith(`${task} `) : name !== `${task} ${call}`) continue;
      this.#open.delete(name);
      this.#over.add(seq);
    }
  }
}

/** The wait that this event began, from the tasks alone. */
function waitOf(state: RunState, seq: number): { readonly task: number; readonly kind: "future" | "pop" } | undefined {
  for (const [n, { calls }] of state.tasks)
    for (const call of calls)
      if (call.state === "waiting" && call.seq === seq) {
        const kind = call.want?.kind;
        return { task: n, kind: kind === "future" ? "future" : "pop" };
      }
  return undefined;
}

const namesAsked = (state: RunState, seq: number): readonly string[] =>
  openAsks(state).find(({ call }) => call.seq === seq)?.names ?? [];
