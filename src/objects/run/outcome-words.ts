/** What a model reads about what an op on a variable that blocks came to. */

import { toolHints } from "../../errors/codes.ts";
import type { Refusal, WaitOutcome } from "../../scheduler/wait-outcome.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ToolRun } from "./tool-calls.ts";

export type Words = Extract<ToolRun, { kind: "result" | "error" }>;

/** `one`: it was asked for by one name. A wait's answer is when it was for one lock. */
export function outcomeWords(run: LoadedRun, outcome: WaitOutcome, one = isOne(outcome)): Words {
  switch (outcome.kind) {
    case "granted":
      return result(one ? { token: Object.values(outcome.tokens)[0] } : { tokens: outcome.tokens });
    case "permits":
      return result({ permits: outcome.permits });
    case "tripped":
      return result({ generation: outcome.generation, index: outcome.index });
    case "broken":
      return brokenWords(run, outcome);
    case "pushed":
      return result({ pushed: true });
    case "popped":
      return result({
        messages: outcome.messages.flatMap(({ seq, index, count }) => messagesAt(run, seq, index, count)),
      });
    case "closed":
      return outcome.op === "pop"
        ? result({ closed: true })
        : refusalWords({ kind: "queue_closed", name: outcome.name });
    case "futures":
      return futuresWords(run, outcome.names, outcome.one);
    case "timed_out": {
      const holders = outcome.names.flatMap((name) => holdersOf(run, name));
      const more = holders.length > 0 ? { holders } : {};
      return error("timed_out", `timeout_ms passed while you waited for ${listed(outcome.names)}.`, more);
    }
    case "declined": {
      const { names, reason } = outcome;
      const why = reason === undefined ? {} : { reason };
      return error("declined", `Whoever was asked for ${listed(names)} has declined.`, why);
    }
    case "superseded":
      return error("superseded", `Another call of yours for ${listed(outcome.names)} took this one's place.`);
    default:
      return victimWords(run, outcome);
  }
}

const isOne = (outcome: WaitOutcome): boolean => outcome.kind === "granted" && Object.keys(outcome.tokens).length === 1;

const brokenBy = {
  ended: "ended",
  timed_out: "stopped waiting",
  deadlock: "was taken out of a deadlock",
} as const;

function brokenWords(run: LoadedRun, { name, generation, by, why }: Extract<WaitOutcome, { kind: "broken" }>): Words {
  const task = run.taskId(by);
  return error("barrier_broken", `Generation ${generation} of "${name}" can't be passed: ${task} ${brokenBy[why]}.`, {
    by: task,
    why,
    generation,
  });
}

function victimWords(run: LoadedRun, outcome: Extract<WaitOutcome, { kind: "deadlock_victim" }>): Words {
  const { released, order, stall } = outcome;
  const cycle = outcome.cycle.map((n) => run.taskId(n));
  const lost = released.length > 0 ? ` You no longer hold ${listed(released)}, so that the others go on.` : "";
  const what = stall
    ? `${cycle.length === 1 ? "You wait" : `${cycle.length} tasks wait`} and nobody is left who could act, so your wait was ended.`
    : `${cycle.join(" → ")} → ${cycle[0]} waited for one another, and your wait was ended.`;
  const hint =
    order.length > 1
      ? "What the released locks guarded may have changed. Acquire all that you need at once with `names`, or one by one in `order`."
      : stall
        ? "What you waited for can't come any more: do it yourself, or finish without it. If it comes from outside the run, wait with external: true."
        : toolHints.deadlock_victim;
  return error("deadlock_victim", `${what}${lost}`, { cycle, released, order }, hint);
}

const messagesAt = (run: LoadedRun, seq: number, index: number, count: number): readonly unknown[] =>
  (run.store.log.body(seq) as { messages: readonly unknown[] }).messages.slice(index, index + count);

function futuresWords(run: LoadedRun, names: readonly string[], one: boolean): Words {
  if (!one) return result({ futures: names.map((name) => ({ name, ...futureView(run, name) })) });
  const { state: _, ...value } = futureView(run, names[0]!);
  return result(value);
}

/** `pending`, or what it was settled with. */
export function futureView(run: LoadedRun, name: string): { state: string; value?: unknown; error?: unknown } {
  const facts = run.state.blocking.factsOf(name, "future");
  if (!facts) return { state: "pending" };
  const { value } = run.store.log.body(facts.seq) as { value: unknown };
  return facts.state === "resolved" ? { state: facts.state, value } : { state: facts.state, error: value };
}

export function refusalWords(refusal: Refusal): Words {
  const { name } = "name" in refusal ? refusal : { name: "" };
  switch (refusal.kind) {
    case "already_held": {
      const { token, mode } = refusal;
      return error("already_held", `You hold "${name}" already (${mode}).`, { name, token, mode });
    }
    case "holds_locks":
      return error(
        "holds_locks",
        `You hold "${refusal.held}", which sorts after one of ${listed(refusal.names)}; so two tasks could wait for each other.`,
        { held: refusal.held },
      );
    case "not_holder": {
      const { token, permits } = refusal;
      if (permits !== undefined) return error("not_holder", `You hold ${permits} permits of "${name}".`, { permits });
      const why = token === undefined ? `You don't hold "${name}".` : `Your hold of "${name}" has another token.`;
      return error("not_holder", why, token === undefined ? {} : { token });
    }
    case "not_created":
      return error("not_created", `Nobody has created the semaphore "${name}".`);
    case "already_created":
      return error("already_created", `"${name}" was created with ${refusal.size}.`, { size: refusal.size });
    case "over_capacity":
      return error("over_capacity", `"${name}" has ${refusal.size} in all; ${refusal.asked} never fit.`, {
        size: refusal.size,
      });
    case "waits_for_itself":
      return error(
        "would_deadlock",
        `You hold, or wait for, ${refusal.permits} permits of "${name}" yourself; so many more can never come free.`,
        { permits: refusal.permits },
        "Release some of what you hold first, or acquire all at once.",
      );
    case "parties_mismatch":
      return error("parties_mismatch", `${refusal.arrived} wait at "${name}" for ${refusal.parties} parties.`, {
        parties: refusal.parties,
      });
    case "queue_closed":
      return error("queue_closed", `"${name}" is closed.`);
    case "queues_full":
      return error(
        "queue_full",
        "The queues of this run, and the pushes that wait for room in them, have as many messages as a run may.",
      );
    default:
      return error("already_settled", `"${name}" is ${refusal.state} already.`, { state: refusal.state });
  }
}

/** Who holds a lock or permits, as ids. */
export function holdersOf(run: LoadedRun, name: string): object[] {
  return Array.from(run.state.blocking.holdersOf(name), (n) => {
    const task = run.state.task(n);
    const lock = task.holds.find((one) => one.name === name);
    if (lock) return { task: run.taskId(n), mode: lock.mode, token: lock.token, since: lock.since };
    const { permits, since } = task.permits.find((one) => one.name === name)!;
    return { task: run.taskId(n), permits, since };
  });
}

const listed = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

const result = (value: object): Words => ({ kind: "result", result: value });

const error = (
  code: keyof typeof toolHints,
  message: string,
  more: object = {},
  hint: string = toolHints[code],
): Words => ({ kind: "error", error: { code, message, hint, ...more } });
