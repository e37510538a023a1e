import fc from "fast-check";
import { expect, it } from "vitest";
import { batchesOf } from "../../src/client/batches.ts";
import type { TaskSpec } from "../../src/client/index.ts";
import { overfullJson } from "../../src/contract/json-bounds.ts";
import { batchTasksMax } from "../../src/limits.ts";

it("leaves what fits one batch as it is, also where a task names a later one", () => {
  const tasks: TaskSpec[] = [
    { key: "b", instructions: "x", after: ["a"] },
    { key: "a", instructions: "y" },
  ];
  expect(batchesOf(tasks)).toEqual([{ tasks, positions: [0, 1], groups: {} }]);
});

it("of more tasks, puts each after those that it names, in batches that the server takes, and loses none", () => {
  const plan = fc
    .array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: batchTasksMax + 1, maxLength: batchTasksMax + 400 })
    .map((all) =>
      all.map((picks, i): TaskSpec => {
        // Any earlier number, so that there is no cycle; the file then lists them backwards.
        const names = i === 0 ? [] : picks.map((pick) => `t${pick % i}`);
        const [first, ...after] = names;
        return { key: `t${i}`, instructions: first === undefined ? "go" : `see {{${first}.x}}`, after };
      }),
    );
  fc.assert(
    fc.property(plan, (forwards) => {
      const tasks = [...forwards].reverse();
      const batches = batchesOf(tasks);
      const seen = new Set<string>();
      for (const batch of batches) {
        expect(batch.tasks.length).toBeLessThanOrEqual(batchTasksMax);
        const here = new Set(batch.tasks.map((task) => task.key!));
        for (const task of batch.tasks) {
          const names = [...(task.after ?? []), ...(/\{\{(t\d+)/.exec(task.instructions)?.slice(1) ?? [])];
          for (const name of names) expect(seen.has(name) || here.has(name), `${task.key} names ${name}`).toBe(true);
        }
        for (const key of here) seen.add(key);
        expect(batch.positions.map((at) => tasks[at])).toEqual(batch.tasks);
      }
      expect(seen.size).toBe(tasks.length);
    }),
    { numRuns: 10 },
  );
});

it("keeps a batch below the size of a body", () => {
  const tasks = Array.from({ length: 200 }, (_, i): TaskSpec => ({ key: `t${i}`, instructions: "x".repeat(120_000) }));
  const batches = batchesOf(tasks);
  expect(batches.length).toBeGreaterThan(1);
  for (const batch of batches) expect(JSON.stringify(batch.tasks).length).toBeLessThan(9_000_000);
  expect(batches.flatMap((batch) => batch.positions)).toEqual(tasks.map((_, i) => i));
});

it("keeps a batch below the values of a body, and those with names: each task may have a schema of its own", () => {
  const fields = Array.from({ length: 100 }, (_, i) => [`field_${i}`, { type: "string", description: "what it says" }]);
  for (const output_schema of [
    { type: "object", properties: Object.fromEntries(fields) },
    { enum: Array.from({ length: 3000 }, (_, i) => i % 10) },
  ]) {
    const tasks = Array.from({ length: batchTasksMax }, (): TaskSpec => ({ instructions: "x", output_schema }));
    expect(overfullJson(JSON.stringify({ tasks }))).toBeDefined();
    const batches = batchesOf(tasks);
    for (const batch of batches) expect(overfullJson(JSON.stringify({ tasks: batch.tasks }))).toBeUndefined();
    expect(batches.flatMap((batch) => batch.positions)).toEqual(tasks.map((_, i) => i));
  }
});

it("of a chain as long as the file needs no stack", () => {
  const tasks = Array.from(
    { length: 20_000 },
    (_, i): TaskSpec => ({ key: `t${i}`, instructions: "x", after: i === 19_999 ? [] : [`t${i + 1}`] }),
  );
  expect(batchesOf(tasks)[0]!.tasks[0]!.key).toBe("t19999");
});

it("keeps a group, and those that come after it, in one batch, with its terms", () => {
  const many = Array.from({ length: batchTasksMax }, (_, i): TaskSpec => ({ key: `t${i}`, instructions: "x" }));
  const grouped: TaskSpec[] = [
    { key: "merge", instructions: "x", after: ["reviews"] },
    ...many,
    { key: "r1", instructions: "x", group: "reviews", after: ["t7"] },
    { key: "r2", instructions: "x", group: "reviews" },
  ];
  const batches = batchesOf(grouped, { reviews: { require: 1 } });
  expect(batches.length).toBe(2);
  const [batch, other] = batches.toSorted((a, b) => Number(b.positions.includes(0)) - Number(a.positions.includes(0)));
  expect(batch!.positions).toEqual(expect.arrayContaining([0, batchTasksMax + 1, batchTasksMax + 2]));
  expect(batch!.groups).toEqual({ reviews: { require: 1 } });
  expect(other!.groups).toEqual({});
  expect(batches.flatMap(({ positions }) => positions)).toHaveLength(grouped.length);
});
