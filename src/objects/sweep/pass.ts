/**
 * One pass of the sweep over the run index: visits rows in their order, a few at a time, within bounds.
 *
 * S1. What a pass has not come to is where the next one begins, so with whatever number of runs all are visited in turn.
 * S2. The place is written before a page is visited: whatever ends a pass in the middle does not end the next one there, too.
 * S3. A run that can't be visited holds up nobody: a visit has its time, and whoever failed several times in a row comes after
 *     all others, those that waited longest first.
 * S4. What becomes of visits is written for a page of them at once: an invocation may make a thousand statements, and a pass visits more.
 */

import { letOthers } from "../../let-others.ts";
import {
  faultMessageCharsMax,
  sweepCallMs,
  sweepFailuresReported,
  sweepPageRuns,
  sweepPassMs,
  sweepPassRuns,
  sweepRunsAtOnce,
} from "../../limits.ts";
import type { RunName } from "../../storage/d1/run-index.ts";
import {
  addFailures,
  allFailures,
  type Failed,
  passCursor,
  removeFailures,
  savePass,
} from "../../storage/d1/sweep-state.ts";
import { within } from "../../within.ts";
import type { Env } from "../env.ts";

export type SweepEnv = Pick<Env, "DB" | "RUNS">;

export interface Pass<Row extends RunName> {
  /** It keeps its place under this name. */
  readonly name: string;
  /** The rows that follow `after`, in the order of (tenant, id). */
  readonly page: (db: D1Database, limit: number, after: RunName | undefined) => Promise<Row[]>;
  /** Whether there is something to `settle`. @throws when the run could not be visited */
  readonly visit: (env: SweepEnv, row: Row) => Promise<unknown>;
  /** Writes in one statement what the visits of these, which answered true, come to. */
  readonly settle?: (db: D1Database, rows: readonly Row[]) => Promise<void>;
}

/** As src/limits.ts has them; tests have smaller ones. */
const limits = { pageRuns: sweepPageRuns, runs: sweepPassRuns, ms: sweepPassMs, callMs: sweepCallMs };

const keyOf = ({ tenant, id }: RunName): string => `${tenant}/${id}`;
const isAfter = (a: RunName, b: RunName): boolean => a.tenant > b.tenant || (a.tenant === b.tenant && a.id > b.id);

/** @throws when the index does not answer */
export async function runPass<Row extends RunName>(env: SweepEnv, pass: Pass<Row>, bounds = limits): Promise<void> {
  const { DB } = env;
  const beganAt = Date.now();
  const endsAt = beganAt + bounds.ms;
  const known = new Map((await allFailures(DB, beganAt)).map((row) => [keyOf(row), row]));
  const isStubborn = (row: Row) => (known.get(keyOf(row))?.passes ?? 0) >= sweepFailuresReported;
  const counts = { visited: 0, failed: 0 };
  const save = (after: RunName | undefined, endedAt: number | null) =>
    savePass(DB, { name: pass.name, began_at: beganAt, ended_at: endedAt, ...counts }, after);

  let settled: Row[] = [];
  let failed: Failed[] = [];
  let mended: RunName[] = [];
  const visit = async (row: Row): Promise<void> => {
    counts.visited++;
    await letOthers();
    const { tenant, id } = row;
    try {
      if ((await within(bounds.callMs, pass.visit(env, row))) === true) settled.push(row);
    } catch (error) {
      counts.failed++;
      console.error("sweep failed", { run: id, error: String(error) });
      failed.push({ tenant, id, error: String(error).slice(0, faultMessageCharsMax) });
      return;
    }
    if (known.has(keyOf(row))) mended.push({ tenant, id });
  };

  const write = async (): Promise<void> => {
    if (settled.length > 0 && pass.settle) await remembered(pass.settle(DB, settled));
    if (failed.length > 0) await remembered(addFailures(DB, failed, Date.now()));
    if (mended.length > 0) await remembered(removeFailures(DB, mended));
    [settled, failed, mended] = [[], [], []];
  };

  /** Answers how many of them it came to. */
  const visitAll = async (rows: readonly Row[]): Promise<number> => {
    let next = 0;
    const lane = async () => {
      while (next < rows.length && Date.now() < endsAt && counts.visited < bounds.runs) await visit(rows[next++]!);
    };
    await Promise.all(Array.from({ length: sweepRunsAtOnce }, lane));
    await write();
    return next;
  };

  const begin = await passCursor(DB, pass.name);
  const stubborn: Row[] = [];
  let after = begin;
  let isSecondLap = false;
  for (;;) {
    const from = after;
    const page = await pass.page(DB, bounds.pageRuns, from);
    const rows = isSecondLap ? page.filter((row) => !isAfter(row, begin!)) : page;
    const isEnd = page.length < bounds.pageRuns;
    after = isEnd ? undefined : page.at(-1);
    if (after || from) await save(after, null);
    stubborn.push(...rows.filter(isStubborn));
    const others = rows.filter((row) => !isStubborn(row));
    const done = await visitAll(others);
    if (done < others.length) {
      after = done === 0 ? from : others[done - 1];
      break;
    }
    if (isSecondLap ? isEnd || rows.length < page.length : isEnd && !begin) break;
    isSecondLap ||= isEnd;
  }
  const waited = (row: Row) => known.get(keyOf(row))!.last_at;
  stubborn.sort((a, b) => waited(a) - waited(b));
  await Promise.all(stubborn.slice(0, sweepRunsAtOnce).map(visit));
  await visitAll(stubborn.slice(sweepRunsAtOnce));
  await save(after, Date.now());
}

/** What can't be remembered is tried again by the next pass. */
async function remembered(write: Promise<void>): Promise<void> {
  try {
    await write;
  } catch (error) {
    console.error("sweep failed", { error: String(error) });
  }
}
