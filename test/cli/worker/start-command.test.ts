/** Starting a command that does not outlive us (start-command.ts), by processes that are killed at the worst moment. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { until } from "../lib/heddle.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const module = pathToFileURL(join(import.meta.dirname, "../../../src/cli/worker/start-command.ts")).href;

/** A process that starts a command, with a guard that `watch` (its body, of `leader`) is. */
function starting(watch: string): Promise<unknown> {
  const program = `import { writeFileSync } from "node:fs";
    import { startCommand } from ${JSON.stringify(module)};
    const guard = { watch(leader) { writeFileSync("leader", String(leader)); ${watch} }, forget() {} };
    startCommand(["sh", "-c", "echo > ran; while :; do sleep 1; done"], { env: process.env, stdin: "ignore" }, guard);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: folder, stdio: "ignore" });
  return new Promise((resolve) => child.once("exit", resolve));
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it.skipIf(process.platform === "win32")("[S1] a command that the guard does not know of yet never begins", async () => {
  await starting(`process.kill(process.pid, "SIGKILL");`);
  const leader = Number(readFileSync(join(folder, "leader"), "utf8"));
  await until(() => !isAlive(leader));
  expect(existsSync(join(folder, "ran"))).toBe(false);
});

it.skipIf(process.platform === "win32")("[S1] one that it knows of does, and is then its to end", async () => {
  const ended = starting(`setTimeout(() => process.kill(process.pid, "SIGKILL"), 1000);`);
  await until(() => existsSync(join(folder, "ran")));
  const leader = Number(readFileSync(join(folder, "leader"), "utf8"));
  await ended;
  expect(isAlive(leader)).toBe(true);
  process.kill(-leader, "SIGKILL");
});
