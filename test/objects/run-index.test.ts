/** What the index of runs reads. */

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { runStatuses } from "../../src/contract/run-statuses.ts";
import {
  countLiveRuns,
  deleteRun,
  insertRun,
  listRuns,
  type RunsListed,
  setImportedRow,
  setRunStatus,
} from "../../src/storage/d1/run-index.ts";
import { newTenant } from "./lib/runs.ts";

const db = (env as { DB: D1Database }).DB;

it("live runs are counted without a look at those that have ended, for a quota too", async () => {
  const tenant = newTenant();
  const plans: string[][] = [];
  const watched = {
    prepare: (sql: string) => ({
      bind: (...values: unknown[]) => {
        const explain = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...values);
        const planned = explain.all<{ detail: string }>().then(({ results }) => {
          plans.push(results.map(({ detail }) => detail));
        });
        const statement = db.prepare(sql).bind(...values);
        return {
          run: () => planned.then(() => statement.run()),
          first: () => planned.then(() => statement.first()),
        };
      },
    }),
  } as unknown as D1Database;
  for (const id of ["run_1", "run_2", "run_3"])
    expect(await insertRun(watched, { tenant, id, name: null, createdAt: 1 }, 10)).toBe(true);
  await setRunStatus(db, { tenant, id: "run_1" }, "succeeded", 2);
  expect(await countLiveRuns(watched, tenant)).toBe(2);
  await expect(insertRun(db, { tenant, id: "run_4", name: null, createdAt: 1 }, 2)).rejects.toThrow(
    "2 may live at once",
  );
  expect(plans).toHaveLength(4);
  for (const plan of plans) {
    expect(plan).toContain("SEARCH runs USING INDEX runs_live (tenant=?)");
    expect(plan.filter((step) => /runs USING PRIMARY KEY \(tenant=\?\)/.test(step))).toEqual([]);
  }
});

/** 3,000 runs of five statuses and two names, most of one kind, many of the same age; one that failed, and one of a rare name. */
async function manyRuns(tenant: string): Promise<void> {
  await db
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
       INSERT INTO runs (tenant, id, name, status, created_at, ended_at)
       SELECT ?, printf('run_%04d', (i * 7) % 3000), CASE WHEN i = 1500 THEN 'rare' WHEN i % 3 = 0 THEN NULL WHEN i % 3 = 1 THEN 'a' ELSE 'b' END,
         CASE WHEN i = 1501 THEN 'failed' WHEN i % 10 = 0 THEN 'active' WHEN i % 10 = 1 THEN 'paused' WHEN i % 10 = 2 THEN 'cancelled' ELSE 'succeeded' END,
         i / 4, CASE WHEN i % 10 < 2 THEN NULL ELSE i END FROM n`,
    )
    .bind(tenant)
    .run();
}

it("a page of runs reads about its rows and no more, whatever it is asked for, and pages give each run once", async () => {
  const tenant = newTenant();
  await manyRuns(tenant);
  await insertRun(db, { tenant: newTenant(), id: "run_other", name: "a", createdAt: 1 });
  let read = 0;
  const watched = {
    prepare: (sql: string) => ({
      bind: (...values: unknown[]) => ({
        all: async () => {
          const answer = await db
            .prepare(sql)
            .bind(...values)
            .all();
          read = answer.meta.rows_read;
          return answer;
        },
      }),
    }),
  } as unknown as D1Database;
  const { results } = await db
    .prepare("SELECT id, name, status, created_at FROM runs WHERE tenant = ? ORDER BY created_at, id")
    .bind(tenant)
    .all<{ id: string; name: string | null; status: string; created_at: number }>();
  const limit = 40;
  const spans = [{}, { from: 300 }, { to: 300 }, { from: 299, to: 450 }, { from: 450, to: 299 }] satisfies Pick<
    RunsListed,
    "from" | "to"
  >[];
  for (const status of [undefined, ...runStatuses])
    for (const name of [undefined, "a", "rare", "none"])
      for (const [span, newestFirst] of spans.flatMap((span) => [[span, false] as const, [span, true] as const])) {
        const { from = 0, to = Number.POSITIVE_INFINITY } = span;
        const which: RunsListed = {
          ...{ newestFirst, ...span, ...(status !== undefined && { status }), ...(name !== undefined && { name }) },
        };
        const wanted = results.filter(
          (row) =>
            (status === undefined || row.status === status) &&
            (name === undefined || row.name === name) &&
            row.created_at >= from &&
            row.created_at < to,
        );
        if (newestFirst) wanted.reverse();
        const seen: string[] = [];
        for (let after: { createdAt: number; id: string } | undefined; ; ) {
          const page = await listRuns(watched, tenant, limit, after, which);
          // An entry of the index and the row itself, and the next one of each status.
          expect(read, JSON.stringify(which)).toBeLessThanOrEqual(2 * (page.length + runStatuses.length));
          seen.push(...page.map(({ id }) => id));
          if (page.length < limit) break;
          after = { createdAt: page.at(-1)!.created_at, id: page.at(-1)!.id };
        }
        expect(seen).toEqual(wanted.map(({ id }) => id));
      }
  // A place that the span leaves out is none in it: its first or last run comes next.
  const first = async (newestFirst: boolean, createdAt: number) =>
    (await listRuns(watched, tenant, 1, { createdAt, id: "run_9999" }, { newestFirst, from: 300, to: 450 }))[0];
  expect((await first(false, 10))?.created_at).toBe(300);
  expect((await first(true, 700))?.created_at).toBe(449);
  expect(read).toBeLessThanOrEqual(2 * (1 + runStatuses.length));
});

it("the version before, which asks for the index of ages by its name, still can while the next one is deployed", async () => {
  const tenant = newTenant();
  await insertRun(db, { tenant, id: "run_2", name: null, createdAt: 2 });
  await insertRun(db, { tenant, id: "run_1", name: "a", createdAt: 1 });
  await setRunStatus(db, { tenant, id: "run_2" }, "failed", 3);
  const { results } = await db
    .prepare(
      `SELECT id FROM runs INDEXED BY runs_by_age WHERE tenant = ? AND (created_at, id) > (?, ?) ORDER BY created_at ASC, id ASC LIMIT ?`,
    )
    .bind(tenant, 0, "", 10)
    .all();
  expect(results).toEqual([{ id: "run_1" }, { id: "run_2" }]);
});

it("an imported run has a row though the sweep took that of its import for an orphan; what its object has said of it stays", async () => {
  const run = { tenant: newTenant(), id: "run_imported" };
  const told = { name: "copy", created_at: 5, status: "failed", ended_at: 9, expires_at: null } as const;
  await insertRun(db, { ...run, name: null, createdAt: 70_000 });
  await setRunStatus(db, run, "paused", null);
  await setImportedRow(db, run, told);
  const kept = { id: run.id, name: "copy", created_at: 5, status: "paused", ended_at: null, expires_at: null };
  expect(await listRuns(db, run.tenant, 9)).toEqual([kept]);
  await deleteRun(db, run);
  await setImportedRow(db, run, told);
  expect(await listRuns(db, run.tenant, 9)).toEqual([{ ...told, id: run.id }]);
});
