/** When a run's trace is pushed, and how far that has come: over lost pushes, evictions and collectors that are away. */

import { runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  traceGiveUpMs,
  tracePushEveryMs,
  tracePushLeaseMs,
  tracePushReportMs,
  traceRetryMsMax,
  traceStayMsMax,
} from "../../src/limits.ts";
import type { Env } from "../../src/objects/env.ts";
import { LoadedRun } from "../../src/objects/run/loaded-run.ts";
import { Models } from "../../src/objects/run/models.ts";
import { TracePushes } from "../../src/objects/run/trace-pushes.ts";
import type { TraceReport, TraceWork } from "../../src/objects/seat-rpc.ts";
import { RunStore } from "../../src/storage/run/run-store.ts";
import { bindings, makeRun, type TestRun, value } from "./lib/runs.ts";

const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector.example" } as Env;
const start = 1_000_000;
let nonces = 0;
const nonce = () => String(++nonces);

/** Works on a run's real tables, as an object that has just been loaded. */
function loaded<T>(run: TestRun, work: (run: LoadedRun, pushes: TracePushes) => T): Promise<T> {
  return runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) => {
    const store = RunStore.open(storage.sql, (commit) => storage.transactionSync(commit))!;
    return work(new LoadedRun(store, { models: new Models(bindings), retentionDays: null }), new TracePushes(env));
  });
}

const upTo = (work: TraceWork, seq: number, more: object = {}): TraceReport =>
  ({
    kind: "upTo",
    from: { seq: work.seq, endSeq: work.endSeq },
    seq,
    endSeq: work.endSeq,
    sent: 1,
    dropped: 0,
    ...more,
  }) as TraceReport;
const later = (work: TraceWork, more: object = {}): TraceReport =>
  ({ kind: "later", from: work, why: "away", ...more }) as TraceReport;

let active: TestRun;
beforeEach(async () => {
  active = await makeRun();
  await active.create({ key: "a", pool: "box", instructions: "a" });
});

/** Begins a push that is due at `at`, and says what it is to do. */
function begun(pushes: TracePushes, run: LoadedRun, at: number) {
  const ticket = pushes.next(run, at, nonce)!;
  expect(ticket).toMatchObject({ run: run.id, tenant: run.tenant, trace: true });
  return { nonce: ticket.nonce, work: pushes.open(run, ticket.nonce, at)! };
}

describe("a run that goes on", () => {
  it("is pushed after a while, one push at a time, and again when something has happened", () =>
    loaded(active, (run, pushes) => {
      expect(pushes.next(run, 1000, nonce)).toBeUndefined();
      expect(pushes.dueAt(run, 1000)).toBe(1000 + tracePushEveryMs);
      const at = 1000 + tracePushEveryMs;
      const push = begun(pushes, run, at);
      expect(push.work).toMatchObject({ seq: 0, endSeq: 0, lastTry: false });
      expect(pushes.next(run, at, nonce)).toBeUndefined();
      expect(pushes.open(run, "another", at)).toBeUndefined();
      const { seq } = run.state.header;
      expect(pushes.report(run, push.nonce, upTo(push.work, seq - 1), at)).toBe(true);
      const rest = upTo({ ...push.work, seq: seq - 1 }, seq, { over: true });
      expect(pushes.report(run, push.nonce, rest, at)).toBe(false);
      expect(pushes.dueAt(run, at)).toBe(Number.POSITIVE_INFINITY);
      run.state.header.seq++;
      expect(pushes.dueAt(run, at)).toBe(at + tracePushEveryMs);
    }));

  it("[T2] a push that is silent for too long is given up: another begins where it was, and it is told to stop", () =>
    loaded(active, (run, pushes) => {
      pushes.dueAt(run, start);
      const lost = begun(pushes, run, start + tracePushReportMs);
      const at = start + tracePushReportMs + tracePushLeaseMs;
      expect(pushes.next(run, at - 1, nonce)).toBeUndefined();
      const next = begun(pushes, run, at);
      expect(next.work).toEqual(lost.work);
      expect(pushes.report(run, lost.nonce, upTo(lost.work, 1), at)).toBe(false);
      expect(pushes.report(run, next.nonce, upTo(next.work, 2), at)).toBe(true);
    }));

  it("[T2] an object that has forgotten its push waits for it, and takes its report", async () => {
    const push = await loaded(active, (run, pushes) => {
      pushes.dueAt(run, start);
      return begun(pushes, run, start + tracePushReportMs);
    });
    const at = start + 2 * tracePushReportMs;
    await loaded(active, (run, pushes) => {
      expect(pushes.dueAt(run, at)).toBe(at + tracePushReportMs);
      expect(pushes.report(run, push.nonce, upTo({ ...push.work, seq: 7 }, 8), at)).toBe(false);
      expect(pushes.report(run, push.nonce, upTo(push.work, 1), at)).toBe(true);
    });
    // T1: the cursor is what lasts.
    await loaded(active, (run, pushes) => {
      pushes.dueAt(run, at);
      expect(begun(pushes, run, at + tracePushReportMs).work.seq).toBe(1);
    });
  });

  it("[T5] keeps its object in memory while a push is near, and no longer: one that is loaded anew waits anew", async () => {
    await loaded(active, (run, pushes) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      try {
        pushes.dueAt(run, start);
        expect(vi.getTimerCount()).toBe(1);
        pushes.dueAt(run, start + 1);
        expect(vi.getTimerCount()).toBe(1);
        vi.advanceTimersByTime(tracePushReportMs);
        expect(vi.getTimerCount()).toBe(0);
        const push = begun(pushes, run, start + tracePushReportMs);
        // Its ticket may take its time.
        pushes.dueAt(run, start + tracePushReportMs);
        expect(vi.getTimerCount()).toBe(1);
        vi.advanceTimersByTime(tracePushLeaseMs);
        expect(vi.getTimerCount()).toBe(0);
        vi.spyOn(console, "warn").mockImplementation(() => {});
        pushes.report(run, push.nonce, later(push.work, { afterMs: traceStayMsMax + 1 }), start + tracePushReportMs);
        pushes.dueAt(run, start + tracePushReportMs);
        // Its alarm comes for that: the object need not wait in memory.
        expect(vi.getTimerCount()).toBe(0);
        pushes.dueAt(run, start + tracePushReportMs + 2);
        expect(vi.getTimerCount()).toBe(1);
        pushes.forget();
        expect(vi.getTimerCount()).toBe(0);
      } finally {
        vi.useRealTimers();
        vi.restoreAllMocks();
      }
    });
    // The collector was away when the object left memory: what comes with the alarm is pushed after one wait, as long as memory lasts.
    await loaded(active, (run, pushes) => {
      const at = start + 10 * traceStayMsMax;
      const due = pushes.dueAt(run, at);
      expect(due).toBe(at + tracePushReportMs);
      expect(pushes.next(run, due, nonce)).toBeDefined();
    });
  });

  it("[T4] a collector that is away is asked again later and later, at its own word too, and at last given up", () =>
    loaded(active, (run, pushes) => {
      const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
      const said = vi.spyOn(console, "error").mockImplementation(() => {});
      pushes.dueAt(run, start);
      let at = start + tracePushReportMs;
      const since = at;
      const waits: number[] = [];
      for (let tries = 0; at - since < traceGiveUpMs; tries++) {
        const push = begun(pushes, run, at);
        expect(push.work.lastTry).toBe(false);
        pushes.report(run, push.nonce, later(push.work, tries === 2 ? { afterMs: 60_000 } : {}), at);
        run.state.header.status = "succeeded";
        waits.push(pushes.dueAt(run, at) - at);
        at = pushes.dueAt(run, at);
      }
      expect(waits.slice(0, 5)).toEqual([1000, 2000, 60_000, 8000, 16_000]);
      expect(Math.max(...waits)).toBe(traceRetryMsMax);
      const last = begun(pushes, run, at);
      expect(last.work).toMatchObject({ lastTry: true, seq: 0 });
      const { seq } = run.state.header;
      pushes.report(run, last.nonce, upTo(last.work, seq, { sent: 0, dropped: 7, why: "too long", over: true }), at);
      expect(pushes.dueAt(run, at)).toBe(Number.POSITIVE_INFINITY);
      expect(warned).toHaveBeenCalledTimes(waits.length);
      expect(said).toHaveBeenCalledExactlyOnceWith("trace dropped", {
        run: run.id,
        spans: 7,
        of_this_run: 7,
        why: "too long",
      });
      vi.restoreAllMocks();
    }));
});

describe("a run that has ended", () => {
  it("is pushed at once; one that had ended before there was a collector is not", async () => {
    await loaded(active, (run, pushes) => pushes.begin(run));
    value(await active.rpc.finishRun({ cancel: true }));
    await loaded(active, (run, pushes) => {
      pushes.dueAt(run, start);
      pushes.restarted(run, start);
      expect(pushes.dueAt(run, start + 5)).toBe(start + 5);
    });
    const old = await makeRun();
    value(await old.rpc.finishRun({ cancel: true }));
    await loaded(old, (run, pushes) => expect(pushes.dueAt(run, 0)).toBe(Number.POSITIVE_INFINITY));
  });

  it("is none of ours to push where no collector is configured", () =>
    loaded(active, (run) => expect(new TracePushes(bindings).dueAt(run, 0)).toBe(Number.POSITIVE_INFINITY)));
});
