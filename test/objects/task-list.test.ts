/** The list of a run's tasks: what may be asked for, and how much a page looks at. */

import { expect, it } from "vitest";
import type { TaskView } from "../../src/contract/shapes.ts";
import { tasksLookedAtMax } from "../../src/limits.ts";
import type { TasksListed } from "../../src/objects/rpc.ts";
import { codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

/** All pages of `limit` rows, and how many there were. */
async function listed(run: TestRun, which: TasksListed, limit = 2): Promise<{ tasks: TaskView[]; pages: number }> {
  const tasks: TaskView[] = [];
  let pages = 0;
  for (let cursor: string | undefined; ; ) {
    const page = value(await run.rpc.tasks({ ...which, limit, ...(cursor !== undefined && { cursor }) }));
    pages++;
    tasks.push(...page.rows);
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    if (page.nextCursor === null) return { tasks, pages };
    cursor = page.nextCursor;
  }
}

const keysOf = async (run: TestRun, which: TasksListed) => (await listed(run, which)).tasks.map(({ key }) => key);

it("has those of a state, key, label, pool or parent, alone and together, also when they have left memory", async () => {
  const run = await makeRun({ limits: { pools: ["box", "shed"] } });
  const [a] = await run.create(
    { key: "a", pool: "box", instructions: "a", labels: { team: "red", "tier=x": "1" } },
    { key: "b", pool: "shed", instructions: "b", labels: { team: "blue" } },
    { key: "c", pool: "box", instructions: "c", labels: { other: "team" } },
    { key: "d", pool: "shed", instructions: "d" },
  );
  const lease = (await run.lease())!;
  const { taskNumber, fence } = lease;
  const call = (tasks: object[]) =>
    run.rpc.leaseTool({ taskNumber, fence }, {
      ...{ tool: "create_task", callId: "c1", waitMs: 0 },
      arguments: JSON.stringify({ tasks }),
    } as never);
  value(
    await call([
      { key: "a", instructions: "child" },
      { key: "e", instructions: "child", pool: "shed" },
    ]),
  );
  const check = async () => {
    expect(await keysOf(run, {})).toEqual(["a", "b", "c", "d", "a", "e"]);
    expect(await keysOf(run, { key: "a" })).toEqual(["a", "a"]);
    expect(await keysOf(run, { key: "z" })).toEqual([]);
    expect(await keysOf(run, { label: "team" })).toEqual(["a", "b", "a", "e"]);
    expect(await keysOf(run, { label: "team=red" })).toEqual(["a", "a", "e"]);
    expect(await keysOf(run, { label: "tier=x" })).toEqual(["a", "a", "e"]);
    expect(await keysOf(run, { label: "red" })).toEqual([]);
    expect(await keysOf(run, { pool: "shed" })).toEqual(["b", "d", "e"]);
    expect(await keysOf(run, { parent: "a" })).toEqual(["a", "e"]);
    expect(await keysOf(run, { parent: a! })).toEqual(["a", "e"]);
    expect(await keysOf(run, { parent: "d" })).toEqual([]);
    expect(await keysOf(run, { parent: "a", pool: "shed", label: "team=red" })).toEqual(["e"]);
  };
  await check();
  expect(await keysOf(run, { state: "running", label: "team" })).toEqual(["a"]);
  expect(await keysOf(run, { state: "failed" })).toEqual([]);
  value(await run.rpc.finishRun({ cancel: true }));
  await run.evict();
  await check();
  expect(await keysOf(run, { state: "cancelled", pool: "shed" })).toEqual(["b", "d", "e"]);
  const refused = await run.rpc.tasks({ limit: 1, parent: "nobody" });
  expect(refused).toMatchObject({ ok: false, fault: { code: "not_found", errors: [{ path: "parent" }] } });
});

it("[L1] ends a page early when it has looked at enough, and [L2] has each task once though some come and end in between", async () => {
  const run = await makeRun({ limits: { pools: ["box"], tasks: 20_000 } });
  const batch = (n: number, from: number) =>
    run.create(
      ...Array.from({ length: n }, (_, i) => ({
        ...{ pool: "box", instructions: "x", key: `k${from + i}` },
        ...((from + i) % 1000 === 999 && { labels: { rare: "yes" } }),
      })),
    );
  for (let from = 0; from < tasksLookedAtMax + 1000; from += 1000) await batch(1000, from);
  const none = value(await run.rpc.tasks({ limit: 1000, label: "none" }));
  expect(none).toEqual({ rows: [], nextCursor: String(tasksLookedAtMax), isFiltered: true });
  expect(await listed(run, { label: "none" })).toEqual({ tasks: [], pages: 2 });
  expect(await keysOf(run, { label: "rare" })).toEqual([0, 1, 2, 3, 4, 5].map((n) => `k${n * 1000 + 999}`));
  // Nobody looks for what the run knows that it does not have.
  expect(value(await run.rpc.tasks({ limit: 1, state: "failed" }))).toEqual({
    rows: [],
    nextCursor: null,
    isFiltered: true,
  });
  const first = value(await run.rpc.tasks({ limit: 3, label: "rare" }));
  await batch(1000, 6000);
  value(await run.rpc.cancelTask("k999", undefined));
  const rest = await listed(run, { label: "rare" });
  expect(rest.tasks.map(({ key }) => key)).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `k${n * 1000 + 999}`));
  const next = value(await run.rpc.tasks({ limit: 10, label: "rare", cursor: first.nextCursor! }));
  expect([...first.rows, ...next.rows].map(({ key }) => key)).toEqual(rest.tasks.map(({ key }) => key));
});

it("[L1] has live ones of a state in one page, however far behind others they are: they are in memory", async () => {
  const run = await makeRun({ limits: { pools: ["box", "shed"], tasks: 20_000 } });
  for (let from = 0; from < tasksLookedAtMax + 1000; from += 1000)
    await run.create(...Array.from({ length: 1000 }, () => ({ pool: "box", instructions: "x" })));
  await run.create({ key: "late", pool: "shed", instructions: "x" });
  expect(await run.lease("w", "shed")).toBeDefined();
  const running = value(await run.rpc.tasks({ limit: 10, state: "running" }));
  expect(running).toMatchObject({ rows: [{ key: "late" }] });
  // What else is asked for has to be looked at.
  const found = { tasks: [{ key: "late" }], pages: 2 };
  expect(await listed(run, { state: "running", key: "late" }, 1)).toMatchObject({ ...found, pages: 1 });
  value(await run.rpc.finishRun({ cancel: true }));
  expect(await listed(run, { state: "cancelled", key: "late" }, 1)).toMatchObject(found);
});

it("takes no cursor that no list gave out, and one of beyond its end is of an empty page", async () => {
  const run = await makeRun();
  await run.create({ pool: "box", instructions: "a" });
  for (const cursor of ["x", "-1", "1.5", "WzEsMl0"])
    expect(codeOf(await run.rpc.tasks({ limit: 1, cursor }))).toBe("validation_failed");
  expect(value(await run.rpc.tasks({ limit: 1, cursor: "999999" }))).toEqual({
    rows: [],
    nextCursor: null,
    isFiltered: true,
  });
});
