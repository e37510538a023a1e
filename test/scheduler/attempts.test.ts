import { describe, expect, test } from "vitest";
import { backoffMsMax, leaseMs, poisonedLosses, retryAfterMsMax, runIdleMs } from "../../src/limits.ts";
import { leased, nextReady, openLease } from "../../src/scheduler/attempts.ts";
import { endAttemptsOfOtherBoots, extendOverRestarts, nextClock, runClock } from "../../src/scheduler/clock.ts";
import { Step } from "../../src/scheduler/step.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

const second = 1000;
const untilOf = (task: Leased): number => {
  const phase = task.phase as unknown as { until: number };
  return phase.until;
};

describe("leases", () => {
  test("[L1] fences rise over the whole run; attempts count", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    const fences = [run.start(a!).phase.fence, run.start(b!).phase.fence];
    run.giveBack(a!);
    fences.push(run.start(a!).phase.fence);
    expect(fences).toEqual([1, 2, 3]);
    expect(a!.attempts).toBe(2);
  });

  test("[L2] an old fence, another task's, or that of a lease given back is late", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    const old = run.start(a!).phase.fence;
    run.lose(a!);
    expect(leased(run.state, a!.n, old)).toBeUndefined();
    const { fence } = run.start(a!).phase;
    expect(leased(run.state, a!.n, old)).toBeUndefined();
    expect(leased(run.state, b!.n, fence)).toBeUndefined();
    expect(leased(run.state, 99, fence)).toBeUndefined();
    expect(leased(run.state, a!.n, fence)).toBe(a);
    run.complete(a!);
    expect(leased(run.state, a!.n, fence)).toBeUndefined();
  });

  test("[L3] an expired lease makes the task ready, resumed when it had a turn", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    run.turn(run.start(a!));
    run.start(b!);
    run.clock(leaseMs - 1);
    expect(states(a!, b!)).toBe("running running");
    run.clock(1);
    expect(a!.phase).toMatchObject({ state: "ready", resumed: true });
    expect(b!.phase).toMatchObject({ state: "ready", resumed: false });
    checkState(run.state, run.now);
  });

  test("[L3] a renewed lease is found in time although renewals are not announced", () => {
    const run = new Run();
    const [a] = run.post({});
    const task = run.start(a!);
    task.phase.expiresAt = run.now + 5 * leaseMs;
    expect(nextClock(run.state)).toBe(run.now + 5 * leaseMs);
    run.clock(5 * leaseMs - 1);
    expect(states(a!)).toBe("running");
    run.clock(1);
    expect(states(a!)).toBe("ready");
  });

  test("[L4] losses in a row without a turn poison it; a turn in between starts anew", () => {
    const run = new Run();
    const [a] = run.post({});
    for (let i = 1; i < poisonedLosses; i++) {
      run.start(a!);
      run.lose(a!);
    }
    run.turn(run.start(a!));
    for (let i = 1; i < poisonedLosses; i++) {
      run.lose(a!);
      run.start(a!);
    }
    expect(states(a!)).toBe("running");
    run.lose(a!);
    expect(states(a!)).toBe("failed");
    expect(run.endOf(a!)?.error?.code).toBe("poisoned");
  });

  test("[L4] a restart ends hosted attempts of other boots at once and never poisons", () => {
    const run = new Run();
    const [a, , c] = run.post({}, {}, { pool: "laptop" });
    for (let i = 0; i < 2 * poisonedLosses; i++) {
      run.lease("hosted", `boot${i}`);
      run.step((step) => endAttemptsOfOtherBoots(step, `boot${i + 1}`));
    }
    expect(states(a!)).toBe("ready");
    run.lease("hosted", "now");
    run.start(c!);
    run.step((step) => endAttemptsOfOtherBoots(step, "now"));
    expect(run.state.header.counts).toMatchObject({ running: 2, ready: 1, failed: 0 });
  });

  test("[L4] a lease that outlives a restart has a whole term again", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    run.start(a!);
    const long = run.start(b!);
    long.phase.expiresAt = run.now + 10 * leaseMs;
    run.now += 3 * leaseMs;
    extendOverRestarts(run.state, [run.now]);
    expect(nextClock(run.state)).toBe(run.now + leaseMs);
    run.clock(leaseMs - 1);
    expect(states(a!, b!)).toBe("running running");
    run.clock(1);
    expect(states(a!, b!)).toBe("ready running");
  });
});

describe("restarts", () => {
  /** One lease that nobody renews, over restarts at these times after it began; how long it then lasts. */
  function termOver(...restarts: number[]): number {
    const run = new Run();
    const [a] = run.post({});
    const began = run.now;
    const lease = run.start(a!);
    extendOverRestarts(
      run.state,
      restarts.map((at) => began + at),
    );
    return lease.phase.expiresAt - began;
  }

  test("[L4] give a lease whole terms no longer than its worker is heard of: whoever is gone is not waited for while they go on", () => {
    expect(termOver()).toBe(leaseMs);
    expect(termOver(0, 10 * second)).toBe(10 * second + leaseMs);
    expect(termOver(10 * leaseMs)).toBe(11 * leaseMs);
    expect(termOver(10 * second, 20 * second)).toBe(20 * second + leaseMs);
    expect(termOver(10 * second, 20 * second, 30 * second)).toBe(30 * second + leaseMs / 2);
    // Ever ten seconds apart: the fourth leaves less than there is to the fifth, and so it is lost between the two.
    const often = [10, 20, 30, 40, 50].map((at) => at * second);
    expect(often.map((_, i) => termOver(...often.slice(0, i + 1)) / second)).toEqual([40, 50, 45, 47.5, 53.75]);
  });
});

describe("failures", () => {
  test("[L5] a transient one waits, longer each time, and fails the task at the limit", () => {
    const run = new Run();
    const [a] = run.post({ retries: { limit: 2, backoff_ms: 10 * second } });
    const waits: number[] = [];
    for (let i = 0; i < 2; i++) {
      run.failTransiently(run.start(a!));
      expect(states(a!)).toBe("waiting");
      waits.push(untilOf(a as Leased) - run.now);
      expect(nextClock(run.state)).toBe(untilOf(a as Leased));
      run.clock(waits[i]! - 1);
      expect(states(a!)).toBe("waiting");
      run.clock(1);
      expect(states(a!)).toBe("ready");
    }
    expect(waits[0]).toBeGreaterThanOrEqual(8 * second);
    expect(waits[0]).toBeLessThanOrEqual(12 * second);
    expect(waits[1]).toBeGreaterThanOrEqual(16 * second);
    expect(waits[1]).toBeLessThanOrEqual(24 * second);
    run.failTransiently(run.start(a!));
    expect(states(a!)).toBe("failed");
    expect(run.endOf(a!)?.error?.code).toBe("provider_error");
    checkState(run.state, run.now);
  });

  test("[L5] tasks of one burst come back apart", () => {
    const run = new Run();
    const tasks = run.post(...Array.from({ length: 10 }, () => ({})));
    for (const task of tasks) run.failTransiently(run.start(task));
    expect(new Set(tasks.map((task) => untilOf(task as Leased))).size).toBe(10);
  });

  test("[L5] the provider's retry-after is the least wait, up to a bound; backoffs are bounded too", () => {
    const run = new Run();
    const [a, b, c] = run.post({}, {}, { retries: { limit: 20, backoff_ms: backoffMsMax } });
    run.failTransiently(run.start(a!), 60 * second);
    expect(untilOf(a as Leased) - run.now).toBe(60 * second);
    run.failTransiently(run.start(b!), 10 * retryAfterMsMax);
    expect(untilOf(b as Leased) - run.now).toBe(retryAfterMsMax);
    run.failTransiently(run.start(c!));
    run.clock(2 * backoffMsMax);
    run.failTransiently(run.start(c!));
    expect(untilOf(c as Leased) - run.now).toBeLessThanOrEqual(1.2 * backoffMsMax);
  });

  test("[L5] without a backoff it is ready at once; with a limit of 0 it is not tried again", () => {
    const run = new Run();
    const [a, b] = run.post({ retries: { backoff_ms: 0 } }, { retries: { limit: 0 } });
    run.failTransiently(run.start(a!));
    run.failTransiently(run.start(b!));
    expect(states(a!, b!)).toBe("ready failed");
  });

  test("[L5] lost leases are not counted, and a permanent cause fails at once", () => {
    const run = new Run();
    const [a] = run.post({ retries: { limit: 1 } });
    run.start(a!);
    run.lose(a!);
    run.start(a!);
    run.lose(a!);
    run.failTransiently(run.start(a!));
    expect(states(a!)).toBe("waiting");
    run.clock(5 * second);
    run.fail(a!);
    expect(run.endOf(a!)?.error?.code).toBe("broken");
  });
});

describe("clocks", () => {
  test("[L6] the timeout runs from the first start over attempts, backoffs and parks", () => {
    const run = new Run();
    const [a, b, c, d] = run.post(
      { timeout_ms: 50 * second },
      { timeout_ms: 50 * second },
      { timeout_ms: 50 * second },
      {},
    );
    run.clock(100 * second);
    expect(states(a!)).toBe("ready");
    run.failTransiently(run.start(a!), 200 * second);
    run.park(run.start(b!), [d!]);
    run.make(run.start(c!), {});
    run.complete(c!);
    run.clock(50 * second - 1);
    expect(states(a!, b!, c!)).toBe("waiting parked parked");
    run.clock(1);
    expect(states(a!, b!, c!)).toBe("failed failed failed");
    expect(run.endOf(a!)?.error?.code).toBe("timeout");
    expect(run.state.header.counts.cancelled).toBe(1);
    checkState(run.state, run.now);
  });

  test("[L7] nothing due: nextClock is the idle end, and nothing once the run has ended", () => {
    const run = new Run();
    expect(nextClock(run.state)).toBe(run.now + runIdleMs);
    run.post({});
    expect(nextClock(run.state)).toBeUndefined();
    run.succeed(run.state.task(1));
    expect(nextClock(run.state)).toBe(run.now + runIdleMs);
    run.clock(runIdleMs);
    expect(run.state.header.status).toBe("succeeded");
    expect(nextClock(run.state)).toBeUndefined();
  });

  test("[L7] everything that is due at once is done in one step", () => {
    const run = new Run();
    const tasks = run.post(...Array.from({ length: 200 }, () => ({ pool: "laptop" })));
    for (const task of tasks) run.start(task);
    run.now += leaseMs;
    const step = new Step(run.state, run.now);
    runClock(step);
    expect(step.decided.length).toBe(200);
    expect(run.state.header.counts.ready).toBe(200);
  });

  test("[L1] the event of a start names what made the task ready", () => {
    const run = new Run();
    const [a] = run.post({});
    const made = run.log.at(-1)!.seq;
    run.step((step) => openLease(step, nextReady(run.state, "hosted", run.now)!, "w", ""));
    expect(run.log.at(-1)?.causes).toEqual([made]);
    expect(a!.startedAt).toBe(run.now);
  });
});
