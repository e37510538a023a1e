/** A pass of the sweep against a real D1: whom it visits within its bounds, where it goes on, and whom it puts last. */

import { beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { sweepFailureKeptMs, sweepFailuresReported, sweepRunsAtOnce } from "../../src/limits.ts";
import { runPass } from "../../src/objects/sweep/pass.ts";
import { sweepRuns } from "../../src/objects/sweep/sweep.ts";
import { activeRuns, insertRun, type SweptRow } from "../../src/storage/d1/run-index.ts";
import { allFailures, listPasses } from "../../src/storage/d1/sweep-state.ts";
import { bindings, TestClock } from "./lib/runs.ts";

const { DB } = bindings;
const wide = { pageRuns: 3, runs: 100, ms: 10_000, callMs: 5_000 };
const id = (n: number) => `run_${String(n).padStart(2, "0")}`;

async function rows(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => id(n));
  for (const one of ids) await insertRun(DB, { tenant: "ten_sweep", id: one, name: null, createdAt: 1 });
  return ids;
}

/** Makes a pass; answers whom it visited, in order. `visit` may fail, or take its time. */
async function pass(bounds: Partial<typeof wide> = {}, visit: (run: string) => unknown = () => undefined) {
  const visited: string[] = [];
  const live = {
    name: "test",
    page: activeRuns,
    visit: async (_: unknown, row: SweptRow) => {
      visited.push(row.id);
      await visit(row.id);
    },
  };
  await runPass(bindings, live, { ...wide, ...bounds });
  return visited;
}

const fails =
  (...bad: string[]) =>
  (run: string) => {
    if (bad.includes(run)) throw new Error("it is broken");
  };

let lines: unknown[][] = [];

beforeEach(async () => {
  lines = [];
  vi.spyOn(console, "error").mockImplementation((...line: unknown[]) => void lines.push(line));
  for (const table of ["runs", "sweep_passes", "sweep_failures"]) await DB.exec(`DELETE FROM ${table}`);
  return () => vi.restoreAllMocks();
});

describe("a pass", () => {
  it.each([1, 3, 6, 7])("visits each of %i runs once, whatever page it is on", async (count) => {
    const all = await rows(count);
    expect(await pass()).toEqual(all);
    expect(await pass()).toEqual(all);
  });

  it("lets others have their turn: whoever waits for the thread waits for a few visits, and not for all", async () => {
    await rows(60);
    let since = 0;
    let most = 0;
    const turns = setInterval(() => {
      since = 0;
    }, 0);
    await pass({ pageRuns: 100 }, () => {
      most = Math.max(most, ++since);
    });
    clearInterval(turns);
    expect(most).toBeLessThanOrEqual(4 * sweepRunsAtOnce);
  });

  it("S1 that is too short for all of them goes on where the last one stopped, round and round", async () => {
    const all = await rows(8);
    const laps = [];
    for (let i = 0; i < 8; i++) laps.push(...(await pass({ runs: 5 })));
    expect(laps).toEqual(Array.from({ length: 5 }, () => all).flat());
  });

  it("S1 visits nobody twice where it begins in the middle and has room for all", async () => {
    const all = await rows(8);
    const first = await pass({ runs: 4 });
    expect(first).toEqual(all.slice(0, 4));
    expect(await pass()).toEqual([...all.slice(4), ...all.slice(0, 4)]);
  });

  it("S1 whose time is over stops, and the next one goes on", async () => {
    using clock = new TestClock();
    const all = await rows(20);
    // Six at once: the twelfth is begun before the first of its six has taken the time.
    const first = await pass({ ms: 900 }, () => clock.forward(100));
    expect(first.length).toBeLessThan(all.length);
    expect(first).toEqual(all.slice(0, first.length));
    expect((await pass({ runs: 4 }))[0]).toBe(all[first.length]);
  });

  it("S2 that ends in the middle of a page is followed by one that begins after that page", async () => {
    const all = await rows(8);
    const page = vi.fn(activeRuns);
    let pages = 0;
    const ended = runPass(
      bindings,
      {
        name: "test",
        page: async (...args) => {
          // The runtime is gone: nothing of the pass is written any more.
          if (++pages === 3) throw new Error("gone");
          return page(...args);
        },
        visit: async () => undefined,
      },
      wide,
    );
    await expect(ended).rejects.toThrow("gone");
    expect((await listPasses(DB))[0]).toMatchObject({ ended_at: null });
    expect((await pass({ runs: 2 }))[0]).toBe(all[6]);
  });

  it("S4 makes a few statements for each page, however its visits end", async () => {
    await rows(9);
    const asked: string[] = [];
    const counted = {
      prepare: (sql: string) => {
        asked.push(sql);
        return DB.prepare(sql);
      },
    } as D1Database;
    const settled: string[] = [];
    const visits = async (fail: boolean) => {
      const visit = async (_: unknown, row: SweptRow) => {
        if (fail) throw new Error("it is broken");
        return row.id !== id(4);
      };
      const settle = async (_: unknown, page: readonly SweptRow[]) => void settled.push(...page.map((row) => row.id));
      asked.length = 0;
      await runPass({ ...bindings, DB: counted }, { name: "test", page: activeRuns, visit, settle }, wide);
      return asked.length;
    };
    // Pages of three, and an empty one that ends them; what is read before, and the place after each.
    expect(await visits(true)).toBeLessThanOrEqual(14);
    expect(await allFailures(DB, Date.now())).toHaveLength(9);
    expect(settled).toEqual([]);
    expect(await visits(false)).toBeLessThanOrEqual(14);
    expect(await allFailures(DB, Date.now())).toEqual([]);
    expect(settled.sort()).toEqual([0, 1, 2, 3, 5, 6, 7, 8].map(id));
  });

  it("S3 lets nobody wait for a run that does not answer", async () => {
    const all = await rows(9);
    const visited = await pass({ callMs: 20 }, (run) => run === id(1) && new Promise(() => undefined));
    expect([...visited].sort()).toEqual(all);
    expect(await allFailures(DB, Date.now())).toMatchObject([
      { id: id(1), passes: 1, error: "Error: no answer within 20 ms" },
    ]);
  });

  it("S3 visits those last that failed several times in a row, those that waited longest first, and forgets it when they answer", async () => {
    using clock = new TestClock();
    await rows(9);
    for (let i = 0; i < sweepFailuresReported; i++) {
      clock.forward(60_000);
      await pass({}, fails(id(0), id(5)));
    }
    expect((await allFailures(DB, Date.now())).map(({ passes }) => passes)).toEqual([3, 3]);
    clock.forward(60_000);
    expect((await pass({}, fails(id(0)))).slice(-2)).toEqual([id(0), id(5)]);
    expect(await allFailures(DB, Date.now())).toMatchObject([{ id: id(0), passes: 4 }]);
    clock.forward(60_000);
    expect((await pass()).at(-1)).toBe(id(0));
    expect(await allFailures(DB, Date.now())).toEqual([]);
  });

  it("S3 comes to those even when the others have used its time, and to the others first", async () => {
    using clock = new TestClock();
    await rows(9);
    for (let i = 0; i < sweepFailuresReported; i++) await pass({}, fails(id(0)));
    const visited = await pass({ ms: 300 }, () => clock.forward(100));
    expect(visited.length).toBeLessThan(9);
    expect(visited[0]).not.toBe(id(0));
    expect(visited.at(-1)).toBe(id(0));
  });

  it("forgets failures of runs that it does not visit any more", async () => {
    using clock = new TestClock();
    await rows(1);
    await pass({}, fails(id(0)));
    await DB.exec("DELETE FROM runs");
    await pass();
    expect(await allFailures(DB, Date.now())).toHaveLength(1);
    clock.forward(sweepFailureKeptMs + 1);
    await pass();
    expect(await allFailures(DB, Date.now())).toEqual([]);
  });
});

describe("the operator", () => {
  it("is told of runs that can't be visited: a line of the log, and GET /admin/sweep", async () => {
    await rows(4);
    const broken = {
      DB,
      RUNS: { getByName: () => ({ sweep: async () => Promise.reject(new Error("it is broken")) }) },
    } as unknown as typeof bindings;
    const reports = () => lines.filter(([first]) => first === "runs can't be visited");
    for (let i = 1; i < sweepFailuresReported; i++) await sweepRuns(broken);
    expect(reports()).toEqual([]);
    await sweepRuns(broken);
    const told = { count: 4, first: expect.arrayContaining([expect.objectContaining({ run: id(2), passes: 3 })]) };
    expect(reports()).toEqual([["runs can't be visited", told]]);

    const secret = "operators-own-secret";
    const env = { DB, HEDDLE_SECRET: "a secret of thirty-two characters", HEDDLE_ADMIN_SECRET: secret };
    const ask = (bearer: string) =>
      createApp().request("/admin/sweep", { headers: { authorization: `Bearer ${bearer}` } }, env as never);
    expect((await ask("somebody else's")).status).toBe(401);
    expect(await (await ask(secret)).json()).toMatchObject({
      passes: [
        { name: "ended", visited: 0, failed: 0, ended_at: expect.any(Number) },
        { name: "live", visited: 4, failed: 4 },
        { name: "rules", visited: 0, failed: 0 },
      ],
      failing_count: 4,
      failing: [{ tenant: "ten_sweep", run: id(0), passes: 3, error: "Error: it is broken" }, {}, {}, {}],
    });
  });
});
