/** A stage of `npm test` that is stopped takes with it what it has started. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { identify } from "../../../scripts/lib/processes.mjs";
import { runStage } from "../../../scripts/lib/stage.mjs";
import { until } from "../lib/heddle.ts";

vi.setConfig({ testTimeout: 30_000 });

const text = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

it("also what leads a group of its own, and outlives whoever started it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  const path = join(folder, "pid");
  const program = `const { pid } = require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" });
    require("fs").writeFileSync(${JSON.stringify(path)}, pid + "\\n"); setInterval(() => {}, 1000);`;
  try {
    const stop = new AbortController();
    const running = runStage(process.execPath, ["-e", program], { stdio: "ignore", signal: stop.signal });
    await until(() => text(path).endsWith("\n"));
    const started = Number(text(path));
    expect(identify(started)).toBeDefined();
    stop.abort();
    expect(await running).toBe(1);
    expect(identify(started)).toBeUndefined();
  } finally {
    if (identify(Number(text(path)))) process.kill(Number(text(path)), "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

it("that ends by itself tells its status, and one that can't start has failed", async () => {
  const { signal } = new AbortController();
  expect(await runStage(process.execPath, ["-e", "process.exit(3)"], { stdio: "ignore", signal })).toBe(3);
  const said = vi.spyOn(console, "error").mockReturnValue();
  expect(await runStage("/no/such/program", [], { stdio: "ignore", signal })).toBe(1);
  expect(said).toHaveBeenCalledWith(expect.stringContaining("ENOENT"));
});
