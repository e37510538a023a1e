/** Logs of real runs on a local server (golden/record.ts): what is found in them, and what every fold must hold. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { CriticalPathFold } from "../../src/trace/critical-path.ts";
import { FindingsFold } from "../../src/trace/findings/findings.ts";
import { TimeSplitFold } from "../../src/trace/time-split.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";
import { scenarios } from "./golden/scenarios.ts";
import { fold } from "./lib/trace.ts";

const folder = join(import.meta.dirname, "golden");

function logOf(name: string): TraceEvent[] {
  const rows = readFileSync(join(folder, `${name}.ndjson`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; at: number; events: SchedulerEvent[] });
  return rows.flatMap(({ seq, at, events }) => events.map((event, i) => ({ ...event, seq: seq + i, at })));
}

test("every scenario has its log, and every log its scenario", () => {
  const logs = readdirSync(folder).flatMap((file) => (file.endsWith(".ndjson") ? [file.slice(0, -7)] : []));
  expect(logs.sort()).toEqual(Object.keys(scenarios).sort());
});

describe.each(Object.entries(scenarios))("%s", (name, { finds }) => {
  const events = logOf(name);
  const now = events.at(-1)!.at;

  test(finds.length > 0 ? "has its finding, and no other" : "has no finding", () => {
    const found = fold(new FindingsFold((n) => `T${n}`), events).finish(now);
    expect(found.map(({ kind }) => kind)).toEqual(finds);
    for (const { subjects, evidence } of found) {
      expect(subjects.length).toBeGreaterThan(0);
      const seqs = events.map(({ seq }) => seq);
      for (const seq of evidence) expect(seqs).toContain(seq);
    }
  });

  test("[P1] [V1] the path sums to the makespan, and each task's kinds to its time", () => {
    const path = fold(new CriticalPathFold(), events).finish()!;
    const sum = path.path.reduce((all, { from, to }) => all + to - from, 0);
    expect(sum).toBe(path.endedAt - path.startedAt);
    expect(path.idealMs).toBeLessThanOrEqual(sum);
    const { tasks } = fold(new TimeSplitFold(), events).finish(now);
    for (const { task, byKind } of tasks) {
      const created = events.find((event) => event.type === "task_created" && event.task === task)!;
      const ended = events.findLast((event) => event.type === "task_ended" && event.task === task)!;
      expect(Object.values(byKind).reduce((all, ms) => all + ms, 0)).toBe(ended.at - created.at);
    }
  });
});

test("by hand: in a chain of three turns of 300 ms the model has nearly all of the path", () => {
  const path = fold(new CriticalPathFold(), logOf("clean-chain")).finish()!;
  const turns = path.path.filter(({ kind }) => kind === "model");
  expect(turns.map(({ task }) => task)).toEqual([1, 2, 3]);
  for (const { from, to } of turns) expect(to - from).toBeGreaterThanOrEqual(300);
});

test("by hand: six holds of 1.5 s one after another wait for 15 times that", () => {
  const { tasks } = fold(new TimeSplitFold(), logOf("contention")).finish();
  const waited = tasks.reduce((all, { waitedFor }) => all + (waitedFor.db ?? 0), 0);
  expect(waited / 1500).toBeGreaterThanOrEqual(15);
  expect(waited / 1500).toBeLessThan(25);
});
