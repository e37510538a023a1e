/** Runs that older versions have stored, under the present code: what opens them gives what the whole log gives. */

import { describe, expect, it } from "vitest";
import { storedVersion } from "../../src/storage/migrations.ts";
import { Checkpoints } from "../../src/storage/run/checkpoints.ts";
import { RunStore } from "../../src/storage/run/run-store.ts";
import { runSchema } from "../../src/storage/run/schema.ts";
import { oldStates, restore } from "../fixtures/state/states.ts";
import { checkState, expectSame } from "../scheduler/check.ts";
import { Storage } from "../sim/system/platform/storage.ts";

const runs = oldStates.flatMap(({ schema, at, objects, seen }) =>
  objects
    .filter(({ kind }) => kind === "RUNS")
    .map(({ name, tables }) => ({ schema, at, name, tables, seen: seen.find(({ run }) => name.endsWith(run))! })),
);

function opened(tables: (typeof runs)[number]["tables"]) {
  const storage = new Storage();
  const sql = storage.reader;
  restore(sql, tables);
  return { sql, open: () => RunStore.open(sql, (work) => storage.transaction(work))! };
}

describe("a run of an older version", () => {
  it.each(runs)("[P3] $name, schema $schema, is as its own version saw it, and as its log says", (run) => {
    const { sql, open } = opened(run.tables);
    expect(storedVersion(sql, runSchema)).toBe(run.schema);
    expect(run.tables.find(({ name }) => name === "pages")!.rows.length).toBeGreaterThan(0);
    const store = open();
    expect(storedVersion(sql, runSchema)).toBe(runSchema.steps.length);
    const state = store.load();
    checkState(state, run.at);
    expect(state.header.counts).toEqual(run.seen.counts);
    expect(state.header.status).toBe(run.seen.status);
    const replayed = store.replay(Number.POSITIVE_INFINITY);
    checkState(replayed, run.at);
    expectSame(replayed, state);
  });

  it.each(runs)("[P3] $name, schema $schema, has a checkpoint of this version after the next, all of it", (run) => {
    const { sql, open } = opened(run.tables);
    const store = open();
    const state = store.load();
    new Checkpoints(sql, store.texts).write(state);
    expect(JSON.parse(store.meta("header")!)).toMatchObject({ v: 7, taskCount: state.header.taskCount });
    expectSame(open().load(), state);
  });
});
