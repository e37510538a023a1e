/** Long polls that follow a run's log: what hundreds of them see, and what that costs the run's object. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followerMs, followersEveryMs } from "../../src/limits.ts";
import { Followers } from "../../src/objects/run/followers.ts";
import { LogStore } from "../../src/storage/run/log-store.ts";
import { makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

describe("[L1] followers are woken", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Follows without a pause; `head` is what it may see. Answers how often it was told something. */
  const followed = (followers: Followers, head: () => number) => {
    const told = { calls: 0, seen: 0 };
    void (async () => {
      for (;;) {
        await followers.wait(60_000, () => head() > told.seen);
        told.calls++;
        told.seen = head();
      }
    })();
    return told;
  };

  it("at once by a commit after a rest, and seldom by a run that commits all the time", async () => {
    const followers = new Followers();
    let head = 0;
    const all = Array.from({ length: 10 }, () => followed(followers, () => head));
    await vi.advanceTimersByTimeAsync(1000);
    head = 1;
    followers.committed();
    await vi.advanceTimersByTimeAsync(1);
    expect(all).toEqual(all.map(() => ({ calls: 1, seen: 1 })));
    for (let i = 0; i < 200; i++) {
      head++;
      followers.committed();
      await vi.advanceTimersByTimeAsync(followersEveryMs / 20);
    }
    await vi.advanceTimersByTimeAsync(followersEveryMs);
    for (const { calls, seen } of all) {
      expect(seen).toBe(201);
      expect(calls).toBeGreaterThan(5);
      expect(calls).toBeLessThanOrEqual(13);
    }
  });

  it("seldomer the more they are: a thousand calls a second of all together", async () => {
    const followers = new Followers();
    let head = 0;
    const all = Array.from({ length: 500 }, () => followed(followers, () => head));
    for (let i = 0; i < 200; i++) {
      head++;
      followers.committed();
      await vi.advanceTimersByTimeAsync(10);
    }
    await vi.advanceTimersByTimeAsync(500 * followerMs);
    const calls = all.reduce((sum, told) => sum + told.calls, 0);
    // Two seconds and a half, and the first waking.
    expect(calls).toBeLessThanOrEqual(2500 / followerMs + 500);
    expect(all.every(({ seen }) => seen === 200)).toBe(true);
  });

  it("although the clock is set back", async () => {
    vi.setSystemTime(10_000_000);
    const followers = new Followers();
    let head = 1;
    const told = followed(followers, () => head);
    await vi.advanceTimersByTimeAsync(1);
    vi.setSystemTime(1_000_000);
    head++;
    followers.committed();
    await vi.advanceTimersByTimeAsync(followersEveryMs);
    expect(told.seen).toBe(2);
  });
});

describe("[L2] hundreds of followers", () => {
  heldSeats();
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function follow(run: TestRun): Promise<number[]> {
    const seqs: number[] = [];
    for (let waitMs = 0; ; waitMs = 20_000) {
      const { events, done } = value(await run.rpc.events({ after: seqs.at(-1) ?? 0, limit: 100, waitMs }));
      seqs.push(...events.map(({ seq }) => seq));
      if (done) return seqs;
    }
  }

  it("see each event once and in order, from pages that were read once for all", { timeout: 60_000 }, async () => {
    const run = await makeRun({ limits: { pools: ["box"] } });
    const all = Array.from({ length: 200 }, () => follow(run));
    const reads = vi.spyOn(LogStore.prototype, "rowsFrom");
    let commits = 2;
    for (let i = 0; i < 20; i++) {
      await run.create({ pool: "box", instructions: "do it" });
      const lease = (await run.lease())!;
      value(await run.rpc.complete(lease, { result: "done", next: false, worker: "w" }));
      commits += 3;
    }
    value(await run.rpc.finishRun({ cancel: true }));
    const seen = await Promise.all(all);
    // What each of them read for itself was 200 times as much.
    expect(reads.mock.calls.length).toBeLessThanOrEqual(2 * commits);
    const log = await run.events();
    expect(new Set(seen.map(String))).toEqual(new Set([String(log.map(({ seq }) => seq))]));
  });

  it("that ask for what is not there yet read nothing, and nothing is kept of it", async () => {
    const run = await makeRun();
    const { length: head } = await run.events();
    const reads = vi.spyOn(LogStore.prototype, "rowsFrom");
    for (let after = head; after < head + 1000; after++)
      expect(value(await run.rpc.events({ after, limit: 10, waitMs: 0 }))).toEqual({ events: [], done: false });
    expect(reads).not.toHaveBeenCalled();
  });
});
