/** WebSockets that follow a run: everything once and in order, whatever happens to the object, and however many watch. */

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import {
  watcherFrameChars,
  watcherLeaveMs,
  watcherStallMs,
  watchersPerRunMax,
  watcherWindowChars,
} from "../../src/limits.ts";
import { Watchers } from "../../src/objects/run/watchers.ts";
import { LogStore } from "../../src/storage/run/log-store.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";
import { TestWatcher } from "./lib/watcher.ts";

heldSeats();

const tasks = (count: number) => Array.from({ length: count }, () => ({ pool: "box", instructions: "do it" }));
const head = async (run: TestRun) => (await run.view()).last_seq;

/** Leases a task and completes it. */
async function doOne(run: TestRun, worker = "w"): Promise<void> {
  const lease = (await run.lease(worker))!;
  value(await run.rpc.complete(lease, { result: "done", next: false, worker }));
}

describe("[W1] each event once and in order", () => {
  it("from the log and live, as the log has them, to the run's end", async () => {
    const run = await makeRun({ name: "watched" });
    await run.create(...tasks(3));
    const early = await TestWatcher.of(run);
    const late = await TestWatcher.of(run, { after: 4 });
    await doOne(run);
    value(await run.rpc.finishRun({ cancel: true }));
    expect(await early.closed).toEqual({ code: 1000, reason: "end" });
    await late.closed;
    const log = await run.events();
    expect(early.events).toEqual(log);
    expect(late.events).toEqual(log.slice(4));
    expect(early.messages.at(-1)).toEqual({ end: { last_seq: log.length } });
  });

  it("who begins after the end of an ended run, or in it, is told so", async () => {
    const run = await makeRun();
    value(await run.rpc.finishRun({ cancel: true }));
    const all = await TestWatcher.of(run);
    await all.closed;
    expect(all.events).toEqual(await run.events());
    const none = await TestWatcher.of(run, { after: 1000 });
    expect(await none.closed).toEqual({ code: 1000, reason: "end" });
    expect(none.events).toEqual([]);
  });

  it("an object that leaves memory between any two steps keeps its watchers and their places", async () => {
    const run = await makeRun();
    const watcher = await TestWatcher.of(run);
    await run.create(...tasks(4));
    for (let n = 1; n <= 4; n++) {
      await watcher.seen(await head(run));
      await run.evict();
      await doOne(run, `w${n}`);
    }
    await run.evict();
    value(await run.rpc.finishRun({ cancel: true }));
    expect(await watcher.closed).toEqual({ code: 1000, reason: "end" });
    expect(watcher.events).toEqual(await run.events());
  });

  it("who comes between two frames is told what happened while nobody watched", async () => {
    const run = await makeRun();
    const before = await TestWatcher.of(run);
    await before.seen(await head(run));
    const closed = vi.spyOn(Watchers.prototype, "closed");
    const really = setTimeout;
    // The next frame comes when the test says so.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let after: TestWatcher;
    try {
      await run.create(...tasks(1));
      before.socket.close();
      while (closed.mock.calls.length === 0) await new Promise((resolve) => really(resolve, 5));
      await run.create(...tasks(2));
      after = await TestWatcher.of(run);
      await run.create(...tasks(3));
      await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), () => {
        vi.runOnlyPendingTimers();
      });
    } finally {
      vi.useRealTimers();
      closed.mockRestore();
    }
    await after.seen(await head(run));
    expect(after.events).toEqual(await run.events());
  });

  it("what was committed and not sent when the object left memory is sent when it is back", async () => {
    const run = await makeRun();
    const watcher = await TestWatcher.of(run);
    for (let n = 1; n <= 5; n++) {
      // Not waited for: the frame may be on its way, or not made yet.
      await run.create(...tasks(n));
      await run.evict();
    }
    await watcher.seen(await head(run));
    expect(watcher.events).toEqual(await run.events());
  });

  it("a watcher that was told its last is closed, even if the object leaves memory in between", async () => {
    const run = await makeRun();
    const watcher = await TestWatcher.of(run);
    value(await run.rpc.finishRun({ cancel: true }));
    await watcher.seen(await head(run));
    await run.evict();
    await run.view();
    expect(await watcher.closed).toEqual({ code: 1000, reason: "end" });
    expect(watcher.messages.filter(({ end }) => end)).toHaveLength(1);
  });

  it("a watcher that was closed goes on where it was", async () => {
    const run = await makeRun();
    const first = await TestWatcher.of(run);
    await run.create(...tasks(2));
    await first.seen(await head(run));
    await evictDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), { webSockets: "close" });
    await doOne(run);
    const second = await TestWatcher.of(run, { after: first.last });
    await second.seen(await head(run));
    expect([...first.events, ...second.events]).toEqual(await run.events());
  });
});

describe("[W2] how often storage is read does not depend on how many watch", () => {
  async function pagesReadBy(watchers: number): Promise<{ behind: number; live: number; seen: number }> {
    const run = await makeRun();
    await run.create(...tasks(200));
    const spy = vi.spyOn(LogStore.prototype, "rowsFrom");
    try {
      const all = await Promise.all(Array.from({ length: watchers }, () => TestWatcher.of(run)));
      const last = await head(run);
      await Promise.all(all.map((one) => one.seen(last)));
      const behind = spy.mock.calls.length;
      for (let n = 0; n < 10; n++) await doOne(run);
      const end = await head(run);
      await Promise.all(all.map((one) => one.seen(end)));
      const live = spy.mock.calls.length - behind;
      const log = await run.events();
      for (const one of all) expect(one.events).toEqual(log);
      return { behind, live, seen: all.length };
    } finally {
      spy.mockRestore();
    }
  }

  it("200 read as many pages as one, and none of what happens while they watch", async () => {
    const one = await pagesReadBy(1);
    const many = await pagesReadBy(200);
    expect(one.behind).toBeGreaterThan(1);
    expect(many).toEqual({ ...one, seen: 200 });
    expect(many.live).toBe(0);
  });
});

describe("[W3] what a watcher has not acknowledged is bounded", () => {
  it("it is sent a window's worth, the rest when it acknowledges, and holds up nobody", async () => {
    const run = await makeRun();
    await run.create(...tasks(500));
    const slow = await TestWatcher.of(run, { acknowledges: false });
    const quick = await TestWatcher.of(run);
    await quick.seen(await head(run));
    expect(slow.chars).toBeGreaterThanOrEqual(watcherWindowChars);
    expect(slow.chars).toBeLessThan(watcherWindowChars + 2 * watcherFrameChars);
    while (slow.last < (await head(run))) {
      const before = slow.last;
      slow.acknowledge();
      await slow.seen(before + 1);
    }
    expect(slow.events).toEqual(await run.events());
  });

  it("who acknowledges nothing for long is closed, with the code that says why, and goes on later", async () => {
    const run = await makeRun();
    await run.create(...tasks(500));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    try {
      const slow = await TestWatcher.of(run, { acknowledges: false });
      const live = await TestWatcher.of(run, { after: (await head(run)) - 1 });
      await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), () =>
        vi.advanceTimersByTime(watcherStallMs + watcherLeaveMs),
      );
      expect(await slow.closed).toEqual({ code: 4408, reason: "too_slow" });
      expect(slow.messages.at(-1)).toMatchObject({ problem: { code: "too_slow", retryable: true } });
      const again = await TestWatcher.of(run, { after: slow.last, acknowledges: false });
      expect(again.events[0]?.seq ?? slow.last + 1).toBe(slow.last + 1);
      expect(live.socket.readyState).toBe(WebSocket.OPEN);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is closed when it says anything else than that it has more than before", async () => {
    const run = await makeRun();
    const wrong = ['{"ack":0}', '{"ack":1e9}', '{"ack":999999999}', "hello", "x".repeat(100_000), new Uint8Array(4)];
    const all = wrong.map(async (said) => {
      const watcher = await TestWatcher.of(run);
      watcher.socket.send(said);
      expect(await watcher.closed).toEqual({ code: 4422, reason: "validation_failed" });
      expect(watcher.messages.at(-1)).toMatchObject({ problem: { code: "validation_failed", status: 422 } });
    });
    await Promise.all(all);
  });

  it("a ping is answered", async () => {
    const watcher = await TestWatcher.of(await makeRun());
    const pong = new Promise((resolve) =>
      watcher.socket.addEventListener("message", ({ data }) => data === "pong" && resolve(data)),
    );
    watcher.socket.send("ping");
    expect(await pong).toBe("pong");
  });
});

it("the watchers of a run are bounded, and one that leaves makes room", async () => {
  const run = await makeRun();
  const stub = bindings.RUNS.getByName(`${run.tenant}/${run.id}`);
  const watch = () => stub.fetch("https://run/watch", { headers: { upgrade: "websocket" } });
  const all = await Promise.all(Array.from({ length: watchersPerRunMax }, watch));
  for (const { webSocket } of all) webSocket!.accept();
  const refused = await watch();
  expect(await refused.json()).toMatchObject({ ok: false, fault: { code: "too_many_requests" } });
  all[0]!.webSocket!.close();
  await eventually(async () => {
    const again = await watch();
    again.webSocket?.accept();
    expect(again.status).toBe(101);
  });
});

it("a deleted run's watchers are told so, and a run that is not there takes none", async () => {
  const run = await makeRun();
  const watcher = await TestWatcher.of(run);
  await run.rpc.deleteRun();
  expect(await watcher.closed).toEqual({ code: 4404, reason: "not_found" });
  const response = await bindings.RUNS.getByName(`${run.tenant}/${run.id}`).fetch("https://run/watch", {
    headers: { upgrade: "websocket" },
  });
  expect(await response.json()).toMatchObject({ ok: false, fault: { code: "not_found" } });
});

describe("[W5] a watcher whose time is over", () => {
  it("is told to come again and no event more; it goes on where it was, over an eviction too", async () => {
    const run = await makeRun();
    const until = Date.now() + 200;
    const watcher = await TestWatcher.of(run, { until });
    const before = await head(run);
    await watcher.seen(before);
    await vi.waitUntil(() => Date.now() >= until);
    await run.evict();
    await run.create(...tasks(2));
    expect(await watcher.closed).toEqual({ code: 4205, reason: "again" });
    expect(watcher.messages.at(-1)).toEqual({ again: { after: before } });
    expect(watcher.events).toEqual((await run.events()).slice(0, before));
    const next = await TestWatcher.of(run, { after: before });
    await next.seen(await head(run));
    expect(next.events).toEqual((await run.events()).slice(before));
  });
});
