/** The lock tool, carried out in the run's step, and the words for what it came to. */

import { toolHints } from "../../errors/codes.ts";
import type { LockOutcome, LockRefusal } from "../../scheduler/lock-outcome.ts";
import { type Acquired, acquire, releaseLock, tryAcquire } from "../../scheduler/locks.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import type { LockCall } from "../../variables/ops.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ToolRun } from "./tool-calls.ts";

type Words = Extract<ToolRun, { kind: "result" | "error" }>;

/** Undefined: the call waits. `answerAt` reads an answer that is in the log already. */
export function useLock(
  step: Step,
  run: LoadedRun,
  task: Task,
  callId: string,
  call: LockCall,
  answerAt: (seq: number) => Words,
): Words | undefined {
  const { op, name, one } = call;
  if (op.op === "release") {
    const refusal = releaseLock(step, task, name, op.token);
    return refusal ? refusalWords(refusal) : result({ released: true });
  }
  if (op.op === "try_acquire") {
    const done = tryAcquire(step, task, name, op.mode);
    if (!done) return result({ acquired: false, holders: holdersOf(run, name) });
    return done.kind === "granted"
      ? result({ acquired: true, token: done.tokens[name] })
      : words(run, done, one, answerAt);
  }
  const until = op.timeout_ms === undefined ? 0 : step.now + op.timeout_ms;
  const done = acquire(step, task, { call: callId, names: op.names, mode: op.mode, until });
  return done.kind === "waiting" ? undefined : words(run, done, one, answerAt);
}

const words = (
  run: LoadedRun,
  done: Exclude<Acquired, { kind: "waiting" }>,
  one: boolean,
  answerAt: (seq: number) => Words,
): Words => {
  if (done.kind === "done") return answerAt(done.seq);
  return done.kind === "granted" ? lockWords(run, done, one) : refusalWords(done);
};

/** What the model reads of a call that waited, or was granted at once. */
export function lockWords(run: LoadedRun, outcome: LockOutcome, one = isOne(outcome)): Words {
  switch (outcome.kind) {
    case "granted":
      return result(one ? { token: Object.values(outcome.tokens)[0] } : { tokens: outcome.tokens });
    case "timed_out": {
      const holders = outcome.names.flatMap((name) => holdersOf(run, name));
      return error(
        "timed_out",
        `timeout_ms passed before ${listed(outcome.names)} came free.`,
        { holders },
        "You were not given the lock: acquire it again, or do something that does not need it.",
      );
    }
    case "superseded":
      return error("superseded", `Another call of yours for ${listed(outcome.names)} took this one's place.`);
    case "deadlock_victim": {
      const { released, order } = outcome;
      const cycle = outcome.cycle.map((n) => run.taskId(n));
      const lost =
        released.length > 0 ? ` Your locks ${listed(released)} were released, so that the others go on.` : "";
      return error(
        "deadlock_victim",
        `${cycle.join(" → ")} → ${cycle[0]} waited for one another, and your wait was ended.${lost}`,
        { cycle, released, order },
        order.length > 1
          ? "What the released locks guarded may have changed. Acquire all that you need at once with `names`, or one by one in `order`."
          : toolHints.deadlock_victim,
      );
    }
  }
}

/** A wait's answer has one token when it was for one lock. */
const isOne = (outcome: LockOutcome): boolean => outcome.kind === "granted" && Object.keys(outcome.tokens).length === 1;

function refusalWords(refusal: LockRefusal): Words {
  switch (refusal.kind) {
    case "already_held": {
      const { name, token, mode } = refusal;
      return error("already_held", `You hold "${name}" already (${mode}).`, { token, mode });
    }
    case "holds_locks":
      return error(
        "holds_locks",
        `You hold "${refusal.held}", which sorts after one of ${listed(refusal.names)}; so two tasks could wait for each other.`,
        { held: refusal.held },
      );
    case "not_holder": {
      const { name, token } = refusal;
      const why = token === undefined ? `You don't hold "${name}".` : `Your hold of "${name}" has another token.`;
      return error("not_holder", why, token === undefined ? {} : { token });
    }
  }
}

export function holdersOf(run: LoadedRun, name: string): object[] {
  const holders = [];
  for (const n of run.state.lock(name).holders.keys()) {
    const hold = run.state.task(n).holds.find((one) => one.name === name)!;
    holders.push({ task: run.taskId(n), mode: hold.mode, token: hold.token, since: hold.since });
  }
  return holders;
}

const listed = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

const result = (value: object): Words => ({ kind: "result", result: value });

const error = (
  code: keyof typeof toolHints,
  message: string,
  more: object = {},
  hint: string = toolHints[code],
): Words => ({
  kind: "error",
  error: { code, message, hint, ...more },
});
