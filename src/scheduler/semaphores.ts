/**
 * Semaphores: permits that tasks hold.
 *
 * S1. Permits held and permits free always add up to what was created.
 * S2. First in, first out: a wait for many is not overtaken by waits for few.
 * S3. Only what a task holds is released, by it or with its end.
 */

import { beginWait, closeCall, knownCall, waitedMs, wake } from "./calls.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { type Task, waitsAt } from "./task.ts";
import type { Begun, Refusal } from "./wait-outcome.ts";

const lineOf = (state: RunState, name: string) => state.blocking.line(name, "semaphore");
const permitsOf = (task: Task, name: string): number => task.permits.find((one) => one.name === name)?.permits ?? 0;

/** What its other calls wait for: it goes on only when it has all of it. */
const permitsAsked = (task: Task, name: string): number => {
  let asked = 0;
  for (const { want } of waitsAt(task, "semaphore")) if (want.names[0] === name) asked += want.permits;
  return asked;
};

export function createSemaphore(step: Step, name: string, permits: number): Refusal | undefined {
  const facts = step.state.blocking.factsOf(name, "semaphore");
  if (facts) return facts.permits === permits ? undefined : { kind: "already_created", name, size: facts.permits };
  step.emit({ type: "semaphore_created", name, permits });
  return undefined;
}

export function acquirePermits(
  step: Step,
  task: Task,
  { call, name, permits, until }: { call: string; name: string; permits: number; until: number },
): Begun {
  const known = knownCall(task, call);
  if (known) return known;
  const facts = step.state.blocking.factsOf(name, "semaphore");
  if (!facts) return { kind: "not_created", name };
  if (permits > facts.permits) return { kind: "over_capacity", name, asked: permits, size: facts.permits };
  const own = permitsOf(task, name) + permitsAsked(task, name);
  if (own + permits > facts.permits) return { kind: "waits_for_itself", name, permits: own };
  const line = lineOf(step.state, name);
  if (line.first || facts.permits - line.held < permits) {
    return beginWait(step, task, call, { kind: "semaphore", names: [name], permits }, until);
  }
  step.emit({ type: "permits_granted", task: task.n, name, permits });
  return { kind: "permits", permits };
}

export function releasePermits(step: Step, task: Task, name: string, permits: number): Refusal | undefined {
  const held = permitsOf(task, name);
  if (held < permits) return { kind: "not_holder", name, permits: held };
  step.emit({ type: "permits_released", task: task.n, name, permits, why: "released" });
  return undefined;
}

/** Grants to those who wait, in their order, as far as there are permits. */
export function handOverPermits(step: Step, name: string): void {
  const { state } = step;
  const line = lineOf(state, name);
  const all = state.blocking.factsOf(name, "semaphore")?.permits ?? 0;
  for (let first = line.first; first && all - line.held >= first.want.permits; first = line.first) {
    const { permits } = first.want;
    const task = state.task(first.task);
    const waited = waitedMs(step, first);
    const cause = closeCall(step, task, first.call, "settled", { kind: "permits", permits });
    step.emit({ type: "permits_granted", task: task.n, name, permits, ...waited }, undefined, [cause]);
    wake(step, task, cause);
  }
}
