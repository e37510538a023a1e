/** When a worker renews its leases, by a clock that it does not own. */

import { expect, it, vi } from "vitest";
import { workReport } from "../../../src/cli/worker/report.ts";
import type { Verdict } from "../../../src/cli/worker/verdict.ts";
import type { WorkKind } from "../../../src/cli/worker/work-kind.ts";
import { Worker } from "../../../src/cli/worker/worker.ts";
import { Heddle } from "../../../src/client/heddle.ts";
import { renewEveryMs, taskProgressEveryMs } from "../../../src/limits.ts";

it("renews them though the clock is set back meanwhile", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  try {
    const done = Promise.withResolvers<Verdict>();
    const leases = [{ id: "l" }];
    const kind: WorkKind<{ id: string }> = {
      progressEveryMs: taskProgressEveryMs,
      lease: async () => leases.splice(0),
      subjectOf: ({ id }) => ({ id, name: id, attempt: 1, fields: {} }),
      start: () => ({ verdict: done.promise, stop: () => undefined, kill: () => undefined }),
      renew: async () => done.resolve({ ok: true, result: "renewed" }),
      deliver: async () => undefined,
    };
    const options = { worker: "w", concurrency: 1, tasksMax: 1, maxLoad: 1 };
    const working = new Worker(
      new Heddle({ url: "http://127.0.0.1:1" }),
      kind,
      options,
      workReport(false, "tasks"),
    ).work();
    await vi.advanceTimersByTimeAsync(0);
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(renewEveryMs + taskProgressEveryMs);
    expect(await working).toEqual({ failed: 0 });
  } finally {
    vi.useRealTimers();
  }
});
