/** Random ops on a few variables that block, by a task or a session, and what must hold of waits between any two steps. */

import { arrive } from "../../src/scheduler/barriers.ts";
import { stallEndAt } from "../../src/scheduler/deadlock.ts";
import { awaitFutures, settleFuture } from "../../src/scheduler/futures.ts";
import { canSomebodyGoOn, findStuck } from "../../src/scheduler/liveness.ts";
import { acquire, releaseLock, tryAcquire } from "../../src/scheduler/locks.ts";
import { closeQueue, createQueue, pop, push } from "../../src/scheduler/message-queues.ts";
import { acquirePermits, createSemaphore, releasePermits } from "../../src/scheduler/semaphores.ts";
import { isRunEnded, type RunState } from "../../src/scheduler/state.ts";
import type { Step } from "../../src/scheduler/step.ts";
import type { Task } from "../../src/scheduler/task.ts";
import type { Random } from "./random.ts";

const locks = ["la", "lb", "lc"];
const semaphores = { sa: 1, sb: 3 };
const queues = ["qa", "qb"];
const barriers = ["ba", "bb"];

/** One op; what it was answered with, undefined where that tells nothing. */
export function useVariable(
  step: Step,
  random: Random,
  task: Task,
  call: string,
  now: number,
): { readonly kind: string } | undefined {
  const until = random.chance(0.3) ? now + random.int(1, 120) * 1000 : 0;
  const name = (list: readonly string[]) => random.pick(list)!;
  const what = random.weighted({
    lock: 4,
    locks: 1,
    try: 1,
    unlock: 4,
    permits: 3,
    give: 3,
    push: 3,
    pop: 2,
    close: 0.1,
    settle: 2,
    await: 1,
    arrive: 2,
  });
  switch (what) {
    case "lock": {
      const mode = random.chance(0.3) ? "shared" : "exclusive";
      return acquire(step, task, { call, names: [name(locks)], mode, until });
    }
    case "locks":
      return acquire(step, task, { call, names: random.chance(0.5) ? ["la", "lc"] : locks, mode: "exclusive", until });
    case "try":
      return tryAcquire(step, task, name(locks), "exclusive");
    case "unlock":
      return releaseLock(step, task, task.holds[0]?.name ?? name(locks));
    case "permits": {
      const [one, all] = random.pick(Object.entries(semaphores))!;
      createSemaphore(step, one, all);
      return acquirePermits(step, task, { call, name: one, permits: random.int(1, all), until });
    }
    case "give":
      return releasePermits(step, task, task.permits[0]?.name ?? "sa", 1);
    case "push": {
      const queue = name(queues);
      if (random.chance(0.2)) createQueue(step, queue, 2);
      const sizes = random.chance(0.5) ? [1] : [1, 2];
      return push(step, { task, call, until }, queue, { messages: sizes, sizes });
    }
    case "pop":
      return pop(step, { task, call, until }, name(queues), {
        max: random.int(1, 3),
        external: random.chance(0.1) && until > 0,
      });
    case "close":
      closeQueue(step, name(queues), task);
      return undefined;
    case "settle": {
      const state = random.chance(0.8) ? "resolved" : "rejected";
      return settleFuture(step, `f${random.int(0, 40)}`, { task, state, value: 1 });
    }
    case "await": {
      const names = [...new Set([`f${random.int(0, 40)}`, `f${random.int(0, 40)}`])];
      const mode = random.pick(["all", "any", "settled"] as const)!;
      return awaitFutures(step, task, { call, names, mode, one: false, until, external: false });
    }
    default: {
      const members = random.chance(0.4) ? [random.int(1, step.state.header.taskCount), Math.abs(task.n)] : [];
      const known = members.filter((n) => step.state.find(n));
      return arrive(step, task, { call, name: name(barriers), parties: 2, members: [...new Set(known)], until });
    }
  }
}

/** [B5] nobody waits for what is there; [B2] [B3] nobody waits for ever, but for a stall whose time has not come. */
export function checkWaits(state: RunState): void {
  const { blocking } = state;
  for (const [name, facts] of blocking.facts) {
    const line = blocking.lineOf(name);
    const first = line?.first;
    if (!first) continue;
    const wrong = () => {
      throw new Error(`[B5] task ${first.task} waits for ${name}, which is there`);
    };
    if (line.kind === "lock") {
      const { want, seq } = line.first!;
      const isNext = (one: string) => {
        const other = blocking.line(one, "lock");
        return other.first?.seq === seq && other.allows(want.mode);
      };
      if (want.names.every(isNext)) wrong();
    } else if (line.kind === "semaphore" && facts.kind === "semaphore") {
      if (facts.permits - line.held >= line.first!.want.permits) wrong();
    } else if (line.kind === "message_queue" && facts.kind === "message_queue") {
      const size = facts.pushed - facts.popped;
      for (const { want } of line.waiters) {
        if (facts.closed || (want.kind === "pop" && size > 0)) wrong();
        if (want.kind === "push" && want === first.want && size + want.sizes.length <= facts.capacity) wrong();
      }
    } else if (line.kind === "barrier") {
      if (line.waiters.length >= line.first!.want.parties) wrong();
    }
  }
  if (isRunEnded(state)) return;
  const stuck = findStuck(
    state,
    [...state.tasks.keys()].filter((n) => state.live(n)),
    { still: !canSomebodyGoOn(state) },
  ).acting;
  const stallEnd = stallEndAt(state);
  if (stuck.size > 0 && (stallEnd === undefined || stallEnd <= state.header.changedAt))
    throw new Error(`[B2] [B3] these wait for ever: ${[...stuck].join(", ")}`);
}
