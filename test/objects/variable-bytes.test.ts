/** What a run knows of the storage of its variables, which are in objects of their own. */

import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { variableBytesLeast, variableBytesStep } from "../../src/limits.ts";
import { RunStore } from "../../src/storage/run/run-store.ts";
import { bindings, makeRun, type TestRun, value } from "./lib/runs.ts";

const use = async (run: TestRun, tool: string, args: object) =>
  expect(value(await run.rpc.callTool({ tool, arguments: JSON.stringify(args), waitMs: 0 }))).toHaveProperty("result");

/** As an object that has just been loaded has it, and the rows that it wrote for it. */
const known = (run: TestRun) =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) => {
    const { variables } = RunStore.open(storage.sql, (commit) => storage.transactionSync(commit))!;
    const rows = storage.sql.exec<{ bytes: number }>("SELECT bytes FROM variables ORDER BY seq").toArray();
    return { sum: variables.storedBytes, rows: rows.map(({ bytes }) => bytes) };
  });

const sizeOf = (run: TestRun, name: string) =>
  runInDurableObject(
    bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/${name}`),
    (_, { storage }) => storage.sql.databaseSize,
  );

it("is the sum of what each has, to within a step, over evictions, and costs no row while little changes", async () => {
  const run = await makeRun();
  // It has no object: it lives in the run's.
  await use(run, "semaphore", { op: "create", name: "permits", permits: 1 });
  await use(run, "atomic", { op: "add", name: "n", delta: 1 });
  expect(await known(run)).toEqual({ sum: variableBytesLeast, rows: [0, 0] });

  const text = "x".repeat(3 * variableBytesStep);
  await use(run, "shared_memory", { op: "write", name: "large", text });
  const size = await sizeOf(run, "large");
  expect(size).toBeGreaterThan(text.length);
  expect(await known(run)).toEqual({ sum: variableBytesLeast + size, rows: [0, 0, size] });

  await run.evict();
  await use(run, "shared_memory", { op: "append", name: "large", text: "y" });
  expect((await known(run)).rows).toEqual([0, 0, size]);
  await use(run, "shared_memory", { op: "append", name: "large", text });
  const grown = await sizeOf(run, "large");
  expect(await known(run)).toEqual({ sum: variableBytesLeast + grown, rows: [0, 0, grown] });
});
