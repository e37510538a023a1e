/** Partial texts in a run's object: who gets what, and that there is nothing of them while nobody follows. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { partialEveryMs, partialsCharsMax, partialWatchMs } from "../../src/limits.ts";
import { Partials } from "../../src/objects/run/partials.ts";
import { eventually } from "./lib/eventually.ts";
import { makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

const always = () => true;

describe("Partials", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watched() {
    const woken = vi.fn();
    const partials = new Partials(woken);
    partials.watch(Date.now() + 60_000);
    const add = (task: number, offset: number, text: string, { fence = 1, turn = 1 } = {}) =>
      partials.add(task, fence, { turn, offset, text }, Date.now());
    const tick = () => vi.advanceTimersByTime(partialEveryMs);
    return { partials, woken, add, tick };
  }

  it("[U1] keeps nothing while nobody follows, and forgets it all when nobody does any more", () => {
    const { partials, woken, add, tick } = watched();
    add(1, 0, "so");
    vi.advanceTimersByTime(60_000);
    const before = woken.mock.calls.length;
    expect(partials.isWatched(Date.now())).toBe(false);
    add(1, 2, " far");
    tick();
    expect(woken.mock.calls.length).toBe(before);
    expect(partials.since(0, always).texts).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[U2] gives each follower what it has not seen, and a late one all of it", () => {
    const { partials, add, tick } = watched();
    add(1, 0, "Once ");
    tick();
    const first = partials.since(0, always);
    expect(first.texts).toEqual([{ task: 1, turn: 1, offset: 0, text: "Once " }]);
    expect(partials.hasNews(first.upTo)).toBe(false);
    add(1, 5, "upon ");
    add(2, 0, "A");
    add(1, 10, "a time");
    // Not yet to be seen.
    expect(partials.since(first.upTo, always).texts).toEqual([]);
    tick();
    expect(partials.since(first.upTo, always).texts).toEqual([
      { task: 1, turn: 1, offset: 5, text: "upon a time" },
      { task: 2, turn: 1, offset: 0, text: "A" },
    ]);
    expect(partials.since(0, always).texts[0]).toEqual({ task: 1, turn: 1, offset: 0, text: "Once upon a time" });
  });

  it("[U2] begins anew with a new attempt or turn, and after a piece that was lost; ended replies are gone", () => {
    const { partials, add, tick } = watched();
    add(1, 0, "old");
    add(1, 0, "new", { fence: 2 });
    add(2, 0, "a");
    add(2, 5, "later");
    add(3, 0, "x");
    add(3, 0, "y", { turn: 2 });
    add(4, 0, "gone");
    add(5, 0, "closed");
    partials.end(4);
    tick();
    expect(partials.since(0, (task) => task !== 5).texts).toEqual([
      { task: 1, turn: 1, offset: 0, text: "new" },
      { task: 2, turn: 1, offset: 5, text: "later" },
      { task: 3, turn: 2, offset: 0, text: "y" },
    ]);
  });

  it("[U3] is bounded: the oldest replies go first", () => {
    const { partials, add, tick } = watched();
    const size = Math.floor(partialsCharsMax / 4);
    for (let task = 1; task <= 6; task++) add(task, 0, "x".repeat(size));
    tick();
    expect(partials.since(0, always).texts.map(({ task }) => task)).toEqual([3, 4, 5, 6]);
  });

  it("[U4] wakes followers at most once in a while", () => {
    const { woken, add } = watched();
    for (let i = 0; i < 40; i++) {
      for (let task = 1; task <= 5; task++) add(task, i, "x");
      vi.advanceTimersByTime(partialEveryMs / 10);
    }
    expect(woken.mock.calls.length).toBeGreaterThan(2);
    expect(woken.mock.calls.length).toBeLessThanOrEqual(5);
  });
});

describe("a run's object", () => {
  heldSeats();
  const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
  const follow = async (run: TestRun, after: number, partials: number, waitMs: number) =>
    value(await run.rpc.events({ after, limit: 100, waitMs, partials }));

  it("tells seats whether somebody follows, and followers what seats send", async () => {
    const run = await makeRun();
    const [task] = await run.create({ instructions: "x" }, { instructions: "y" });
    const work = (await run.seat("a"))!;
    expect(work.watched).toBe(false);
    expect(await run.rpc.partialText(work, { turn: 1, offset: 0, text: "unheard" })).toEqual({ watched: false });
    expect(await run.rpc.renewSeat(work)).toEqual({ held: true, watched: false });
    // Who follows without asking for them changes nothing.
    value(await run.rpc.events({ after: 0, limit: 100, waitMs: 0 }));
    expect(await run.rpc.renewSeat(work)).toEqual({ held: true, watched: false });

    const { events } = await follow(run, 0, 0, 0);
    const seq = events.at(-1)!.seq;
    expect(await run.rpc.renewSeat(work)).toEqual({ held: true, watched: true });
    const waiting = follow(run, seq, 0, 10_000);
    expect(await run.rpc.partialText(work, { turn: 1, offset: 0, text: "Once" })).toEqual({ watched: true });
    const seen = await waiting;
    expect(seen.partials!.texts).toEqual([{ task, turn: 1, offset: 0, text: "Once" }]);
    expect(seen).toMatchObject({ events: [], done: false });
    // Another turn's, or another lease's, is none.
    await run.rpc.partialText(work, { turn: 2, offset: 0, text: "no" });
    expect(await run.rpc.partialText({ ...work, fence: 99 }, { turn: 1, offset: 4, text: "no" })).toEqual({
      watched: false,
    });
    await run.rpc.leaveSeat({ ...work, fence: 99 }, { kind: "give_back" }, undefined);
    await run.rpc.partialText(work, { turn: 1, offset: 4, text: " upon" });
    // What comes late has ended nothing: the poll has the rest, and a new follower all of it.
    await eventually(async () => {
      const [next, late] = await Promise.all([seen.partials!.upTo, 0].map((version) => follow(run, seq, version, 0)));
      expect(next!.partials!.texts).toEqual([{ task, turn: 1, offset: 4, text: " upon" }]);
      expect(late!.partials!.texts).toEqual([{ task, turn: 1, offset: 0, text: "Once upon" }]);
    });

    const message = JSON.stringify({ role: "assistant", content: "Once upon a time" });
    const reply = await run.rpc.seatTurn(work, { messages: [...work.fork, message], usage, calls: [] }, undefined);
    expect(reply).toMatchObject({ kind: "go_on", watched: true });
    const after = await follow(run, seq, 0, 0);
    expect(after.events.map(({ type }) => type)).toEqual(["late_refused", "turn"]);
    expect(after.partials!.texts).toEqual([]);
    expect(await run.events()).toHaveLength(after.events.at(-1)!.seq);
  });

  it("forgets a deleted run's texts with it: who follows the next run of its id gets none of them", async () => {
    const run = await makeRun();
    await run.create({ instructions: "x" });
    const work = (await run.seat("a"))!;
    await follow(run, 0, 0, 0);
    const polled = follow(run, (await run.events()).at(-1)!.seq, 0, 10_000);
    await run.rpc.partialText(work, { turn: 1, offset: 0, text: "a secret" });
    expect((await polled).partials!.texts).toHaveLength(1);
    value(await run.rpc.deleteRun());
    const again = await makeRun({ tenant: run.tenant, run: run.id });
    await again.create({ instructions: "y" });
    expect(await again.seat("b")).toMatchObject({ watched: false });
    expect((await follow(again, 0, 0, 0)).partials!.texts).toEqual([]);
  });

  it("forgets followers that have gone away", async () => {
    const run = await makeRun();
    await run.create({ instructions: "x" });
    const work = (await run.seat("a"))!;
    await follow(run, 0, 0, 0);
    const now = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: now + partialWatchMs + 100 });
    expect(await run.rpc.renewSeat(work)).toEqual({ held: true, watched: false });
    vi.useRealTimers();
  });
});
