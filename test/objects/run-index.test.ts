/** What the index of runs reads. */

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { countLiveRuns, insertRun, setRunStatus } from "../../src/storage/d1/run-index.ts";
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
  await expect(insertRun(db, { tenant, id: "run_4", name: null, createdAt: 1 }, 2)).rejects.toThrow("2 live ones");
  expect(plans).toHaveLength(4);
  for (const plan of plans) {
    expect(plan).toContain("SEARCH runs USING INDEX runs_live (tenant=?)");
    expect(plan.filter((step) => /runs USING PRIMARY KEY \(tenant=\?\)/.test(step))).toEqual([]);
  }
});
