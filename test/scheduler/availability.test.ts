import { describe, expect, test } from "vitest";
import type { Observation } from "../../src/availability/observation.ts";
import { availabilityStepMs, refusalsUncountedMax, refusedCrowdMin } from "../../src/limits.ts";
import { apply } from "../../src/scheduler/apply.ts";
import { failAttempt, startableIn } from "../../src/scheduler/attempts.ts";
import { modelsWanted } from "../../src/scheduler/availability.ts";
import { settleChains } from "../../src/scheduler/chains.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { type Leased, newState, Run } from "./run.ts";

const leaseAll = (run: Run): Leased[] => {
  const leased: Leased[] = [];
  for (let task = run.lease(); task; task = run.lease()) leased.push(task);
  return leased;
};

/** A model call of the task has ended so, half a second after it began; one that did not go through ends the attempt. */
function called(run: Run, task: Task, outcome: Observation["outcome"], more: Partial<Observation> = {}): void {
  run.step((step) => {
    const seen = { begunAt: run.now - 500, outcome, ...more };
    const crowded = run.state.availability.observe(task, seen, run.now);
    if (outcome === "through") return;
    const error = { code: "provider_rate_limited", message: "429" };
    const { retryAfterMs } = more;
    failAttempt(step, task as Leased, {
      ...{ fault: "provider_rate_limited", error, crowded },
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  });
}

const posted = (count: number, workers = count): Run => {
  const run = new Run({ workers });
  run.post(...Array.from({ length: count }, () => ({})));
  return run;
};

describe("what a provider can take", () => {
  test("[V1] at its limit no seat is opened for its model, and tasks of another go on", () => {
    const run = new Run({ workers: 20 });
    run.post(...Array.from({ length: 12 }, () => ({})), { model: "other" });
    const leased = leaseAll(run).filter(({ model }) => model === undefined);
    expect(leased).toHaveLength(12);
    run.post({}, {}, { model: "other", priority: 0 });
    called(run, leased[0]!, "rate_limited");
    // 11 are under way, of the 6 that may be.
    expect(startableIn(run.state, "hosted", run.now)).toBe(1);
    expect(leaseAll(run).map(({ model }) => model)).toEqual(["other"]);
    for (const task of leased.slice(1, 7)) run.complete(task);
    expect(leaseAll(run)).toHaveLength(1);
  });

  test("[V1] retry-after keeps all of a model's tasks, and a clock lets them go", () => {
    const run = posted(3);
    const [first] = [run.lease()!];
    called(run, first, "overloaded", { retryAfterMs: 7000 });
    expect([startableIn(run.state, "hosted", run.now), run.lease()]).toEqual([0, undefined]);
    expect(nextClock(run.state)! - run.now).toBe(7000);
    run.clock(7000);
    expect(run.lease()).toBeDefined();
  });

  test("[V1] what is left of a rate is what may begin, and the rest comes as it fills", () => {
    const run = posted(8);
    called(run, run.lease()!, "through", { rates: { requests: { limit: 10, left: 2, resetMs: 8000 } } });
    expect(leaseAll(run)).toHaveLength(2);
    expect(nextClock(run.state)! - run.now).toBe(1000);
    run.clock(1000);
    expect(leaseAll(run)).toHaveLength(1);
    expect(nextClock(run.state)! - run.now).toBeGreaterThanOrEqual(availabilityStepMs);
  });

  test("[V2] a task of many turns gives its lease back while there are more than the limit", () => {
    const run = posted(6);
    const leased = leaseAll(run);
    expect(run.state.availability.mustYield(leased[1]!, run.now)).toBe(false);
    called(run, leased[0]!, "rate_limited");
    // Five are under way, of the three that may be.
    expect(run.state.availability.mustYield(leased[1]!, run.now)).toBe(true);
    for (const task of leased.slice(2, 4)) run.complete(task);
    expect(run.state.availability.mustYield(leased[1]!, run.now)).toBe(false);
  });

  test("[V3] the log has steps and not every call, and a run that is loaded goes on from the last", () => {
    const run = posted(16);
    const leased = leaseAll(run);
    for (const task of leased.slice(0, 12)) called(run, task, "rate_limited");
    const told = run.events("availability_changed");
    expect(told).toMatchObject([
      { of: "model", limit: 8, ceiling: 16, in_flight: 15, refused: 1, why: "rate_limited" },
    ]);
    const again = newState();
    for (const { event, seq, at } of run.log) apply(again, event, seq, at);
    settleChains(again);
    expect(again.availability.look()[0]!.limit).toMatchObject({ limit: 8, ceiling: 16 });
  });

  test("[V4] who is refused out of a crowd loses no retry, and who is refused beside few does", () => {
    const run = posted(refusedCrowdMin);
    const [one, ...others] = leaseAll(run);
    called(run, one!, "rate_limited");
    expect([one!.failures, one!.refusals, one!.phase.state]).toEqual([0, 1, "waiting"]);
    // Of the same burst, though fewer are under way by now.
    called(run, others[0]!, "rate_limited");
    expect([others[0]!.failures, others[0]!.refusals]).toEqual([0, 1]);
    called(run, others[1]!, "timed_out");
    for (const task of others.slice(2)) run.complete(task);
    run.clock(20_000);
    const again = run.lease()!;
    called(run, again, "rate_limited");
    expect([again.failures, again.refusals]).toEqual([1, 1]);
  });

  test("[V4] [V6] who is refused beside other runs loses none either", () => {
    const run = posted(2);
    const [one] = leaseAll(run);
    const told = { limit: 2, ceiling: 3, why: "rate_limited", runs: 3 } as const;
    run.state.availability.share(undefined, { reported: Number.POSITIVE_INFINITY, told }, run.now);
    run.now += 1000;
    called(run, one!, "rate_limited");
    expect([one!.failures, one!.refusals]).toEqual([0, 1]);
  });

  test("[V6] what the run calls and could call of each model is told, and a share lets more begin or fewer", () => {
    const run = new Run({ workers: 20 });
    run.post(...Array.from({ length: 12 }, () => ({})), { model: "other" }, { model: "other" });
    expect(run.state.availability.isLimited()).toBe(false);
    const [first] = leaseAll(run);
    run.post(...Array.from({ length: 30 }, () => ({})), { model: "idle" });
    called(run, first!, "rate_limited");
    const wanted = () => modelsWanted(run.state).map((one) => [one.name, one.inFlight, one.limit.limit, one.wanted]);
    const none = Number.POSITIVE_INFINITY;
    expect(wanted()).toEqual([
      [undefined, 11, 6, 20],
      ["other", 2, none, 2],
      ["idle", 0, none, 1],
    ]);
    expect(run.state.availability.isLimited()).toBe(true);
    const told = (limit: number) => ({ limit, ceiling: limit, why: "rate_limited", runs: 2 }) as const;
    const share = (limit: number) =>
      run.state.availability.share(undefined, { reported: 6, told: told(limit) }, run.now);
    expect([share(3), startableIn(run.state, "hosted", run.now)]).toEqual([false, 1]);
    expect(run.state.availability.mustYield(first!, run.now)).toBe(true);
    // From 3 to 15, since it has told of 6: more than the 11 under way.
    expect([share(18), startableIn(run.state, "hosted", run.now)]).toEqual([true, 5]);
    expect(run.state.availability.share("unknown", { reported: 6, told: told(3) }, run.now)).toBe(false);
    run.step((step) => step.emit({ type: "run_paused", reason: "asked" }));
    expect(wanted().map(([, , , most]) => most)).toEqual([11, 2, 0]);
  });

  test("[V4] not for ever", () => {
    const run = posted(2);
    const [one] = leaseAll(run);
    for (let i = 0; i < refusalsUncountedMax + 3; i++) {
      run.step((step) => {
        const error = { code: "provider_rate_limited", message: "429" };
        failAttempt(step, one!, { fault: "provider_rate_limited", error, crowded: true });
      });
      if ((one as Task).phase.state !== "waiting") break;
      run.clock(60_000);
      if ((one as Task).phase.state === "ready") run.start(one!);
    }
    expect([one!.refusals, (one as Task).phase.state]).toEqual([refusalsUncountedMax, "failed"]);
  });

  test("seats that open late or lose their leases are fewer, and more again when they work", () => {
    const run = posted(40);
    expect(leaseAll(run)).toHaveLength(40);
    run.step(() => run.state.availability.seatLost(run.now));
    expect(run.events("availability_changed")).toMatchObject([{ of: "seats", limit: 20, why: "leases_lost" }]);
    expect(run.state.availability.seatRoom()).toBe(0);
    run.now += 60_000;
    for (let i = 0; i < 30; i++) run.state.availability.seatWorked(run.now, 100);
    expect(run.state.availability.lookAtSeats().limit.limit).toBeGreaterThan(25);
  });

  test("[V5] a few seats that are late or lost say nothing of the others", () => {
    const run = posted(40);
    const { availability } = run.state;
    for (let i = 1; i < refusedCrowdMin; i++) run.lease();
    run.step(() => availability.seatLost(run.now));
    availability.openings = 30;
    run.step(() => availability.seatsLate(run.now, refusedCrowdMin - 1));
    run.step(() => availability.seatsLate(run.now, 14));
    expect(run.events("availability_changed")).toEqual([]);
    expect(availability.seatRoom()).toBe(Number.POSITIVE_INFINITY);

    run.step(() => availability.seatsLate(run.now, 15));
    expect(run.events("availability_changed")).toMatchObject([{ of: "seats", limit: 17, why: "seats_late" }]);
  });
});
