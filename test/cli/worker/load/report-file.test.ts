import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { ReportFile, retryAfterIn } from "../../../../src/cli/worker/load/report-file.ts";
import { retryAfterMsMax } from "../../../../src/limits.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['{"retry_after_ms": 5000}', 5000],
  ['{"retry_after_ms": 1}\n{"retry_after_ms": 2}\n', 2],
  ['{"retry_after_ms": 7}\nsomething else\n{"retry_aft', 7],
  [`{"retry_after_ms": ${10 * retryAfterMsMax}}`, retryAfterMsMax],
  ['{"retry_after_ms": -1}', undefined],
  ['{"retry_after_ms": "5"}', undefined],
  ["null\n[]\n5\n", undefined],
  ["", undefined],
])("the report %j asks for a pause of %s ms", (text, ms) => {
  expect(retryAfterIn(text)).toBe(ms);
});

it("each change of the file is told once", async () => {
  const told: number[] = [];
  const path = join(folder, "report");
  const file = new ReportFile(path, (ms) => told.push(ms));
  await file.look(); // there is none yet
  writeFileSync(path, '{"retry_after_ms": 10}\n');
  await file.look();
  await file.look();
  expect(told).toEqual([10]);
  writeFileSync(path, `${"x".repeat(100_000)}\n{"retry_after_ms": 20}\n`);
  await file.look();
  expect(told).toEqual([10, 20]);
});
