/** Tasks that belong together, each batch with the terms of its group: what one of them comes to decides about others. */

import type { Random } from "../../test/sim/random.ts";
import { type Batch, fails, plays, says } from "./script.ts";

/** Two of three are enough, and one fails; who comes after the group sees all of them. */
export function reviews(random: Random, id: string): Batch {
  const group = `${id}-reviews`;
  const good = [1, 3].map((i) => says(`${id}-r${i}`, `review ${id}-${i}`, random.int(0, 1500), { group }));
  const merge = says(`${id}-merge`, `merged ${id}`, random.int(0, 400), { after: [group] });
  const bad = fails(`${id}-r2`, random.int(0, 1500), { group });
  return { tasks: [good[0]!, bad, good[1]!, merge], groups: { [group]: { require: 2 } } };
}

/** Its second member fails: the third is stopped, the first is undone, who comes after is skipped. */
export function trip(random: Random, id: string): Batch {
  const group = `${id}-trip`;
  const undo = { task: { instructions: plays([{ latency_ms: random.int(0, 400), text: `undone ${id}` }]) } };
  const book = says(`${id}-book`, `booked ${id}`, random.int(0, 800), { group, on_failure: undo });
  const fly = fails(`${id}-fly`, random.int(0, 400), { group, after: [`${id}-book`] });
  const drive = says(`${id}-drive`, "never", 60_000, { group });
  const tell = says(`${id}-tell`, "never", 0, { after: [group] });
  return {
    tasks: [
      { ...book, planned: { ...book.planned, standIn: "compensation" } },
      fly,
      { ...drive, planned: { key: drive.spec.key, expected: { kind: "cancelled", code: "group_failed" } } },
      { ...tell, planned: { key: tell.spec.key, expected: { kind: "skipped" } } },
    ],
  };
}

/** The first one of four wins, and the others are stopped. */
export function race(random: Random, id: string): Batch {
  const group = `${id}-race`;
  const tasks = [1, 2, 3, 4].map((i) => {
    const result = `raced ${id}-${i}`;
    const { spec } = says(`${id}-r${i}`, result, random.int(200, 1200), { group });
    return { spec, planned: { key: spec.key, expected: { kind: "raced", result } } } as const;
  });
  return { tasks, groups: { [group]: { require: 1, when_met: "cancel" } } };
}

/** It fails, and another does it in its place; the one that comes after sees only that. */
export function planB(random: Random, id: string): Batch {
  const task = { instructions: plays([{ latency_ms: random.int(0, 600), text: `by hand ${id}` }]) };
  const main = fails(`${id}-main`, random.int(0, 400), { on_failure: { task } });
  const result = `by hand ${id}`;
  return {
    tasks: [
      { ...main, planned: { key: main.spec.key, expected: { kind: "result", result }, standIn: "fallback" } },
      says(`${id}-next`, `next ${id}`, 0, { after: [main.spec.key] }),
    ],
  };
}
