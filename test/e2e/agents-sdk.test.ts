/** The example of Cloudflare's Agents SDK as it stands, in a workerd of its own: an Agent forks, and finds its run again when it was restarted. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../scripts/lib/ports.mjs";
import { until } from "./lib/log.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
let folder: string;
let port: number;
let wrangler: ChildProcess | undefined;
let shown = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "heddle-e2e-"));
  port = await freePort();
});
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As its head says, beside the server that the tests share. */
async function start(): Promise<void> {
  shown = "";
  const program = join(projectRoot, "node_modules/wrangler/bin/wrangler.js");
  const args = ["dev", "-c", "examples/agents-sdk/wrangler.toml", "--ip", "127.0.0.1", "--port", `${port}`];
  const more = ["--inspector-port", `${await freePort()}`, "--persist-to", folder, "--var", `HEDDLE_URL:${server.url}`];
  wrangler = spawn(process.execPath, [program, ...args, ...more, "--show-interactive-dev-session=false"], {
    cwd: projectRoot,
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
    // A group of its own: its runtime ends with it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [wrangler.stdout!, wrangler.stderr!])
    stream.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
  await until("the example to be served", 60_000, async () => {
    if (wrangler!.exitCode !== null) throw new Error(`wrangler dev ended:\n${shown}`);
    return (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.status === 404;
  });
}

async function stop(): Promise<void> {
  const child = wrangler;
  wrangler = undefined;
  if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid, "SIGKILL");
  await gone;
}

async function ask(name: string): Promise<{ run: string; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}/agents/planner/${name}`);
  const text = await answer.text();
  expect(answer.status, `${text}\n${shown}`).toBe(200);
  return JSON.parse(text) as { run: string; text: string };
}

it("forks its conversation, and goes on with its own run after a restart, another agent with another", async () => {
  await start();
  const said = "In March Rome is warmer and cheaper: Rome: 16 °C, 120 € a day. Oslo: 4 °C, 190 € a day.";
  const first = await ask("march");
  expect(first.text).toBe(said);
  const { tasks } = await server.heddle.listTasks(first.run);
  expect(tasks.map(({ key, state }) => [key, state]).sort()).toEqual([
    ["oslo", "succeeded"],
    ["rome", "succeeded"],
  ]);
  await stop();
  await start();
  expect((await ask("march")).run).toBe(first.run);
  expect((await ask("april")).run).not.toBe(first.run);
});
