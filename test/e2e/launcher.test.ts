/** The launcher of the local server: what a hot reload does to a run, and how it stops. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startDev } from "../../scripts/lib/dev-server.mjs";
import { freePort } from "../../scripts/lib/ports.mjs";
import { type Identity, isSame } from "../../scripts/lib/processes.mjs";
import { Heddle } from "../../src/client/index.ts";
import { leaseMs } from "../../src/limits.ts";
import { withDatabase } from "./lib/bundle.ts";
import { until } from "./lib/log.ts";
import { LocalServer, projectRoot } from "./lib/server.ts";
import { says } from "./lib/sim.ts";
import { slowness } from "./lib/slowness.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heddle-e2e-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A server whose sources are a file in `folder`, which may be changed. */
async function reloadable() {
  const config = readFileSync(join(projectRoot, "wrangler.local.toml"), "utf8")
    .replace('main = "src/local/index.ts"', 'main = "entry.ts"')
    .replace('migrations_dir = "migrations"', `migrations_dir = ${JSON.stringify(join(projectRoot, "migrations"))}`);
  writeFileSync(join(folder, "wrangler.toml"), config);
  save("first");
  const dev = await startDev({
    state: join(folder, "state"),
    config: join(folder, "wrangler.toml"),
    environment: {},
    show: () => undefined,
  });
  return { dev, heddle: new Heddle({ url: dev.url, key: dev.key }) };
}

function save(version: string): void {
  const local = JSON.stringify(join(projectRoot, "src/local/index.ts"));
  const text = `export * from ${local};\nexport { default } from ${local};\nconsole.warn("${version}");\n`;
  writeFileSync(join(folder, "entry.ts"), text);
}

it("A hot reload ends the attempts that it cut off, and their tasks go on at once", async () => {
  const { dev, heddle } = await reloadable();
  try {
    const { id } = await heddle.createRun({});
    await heddle.createTasks(id, { tasks: [{ key: "slow", instructions: says("done", { latency_ms: 2 * leaseMs }) }] });
    await until("it runs", leaseMs, async () => (await heddle.task(id, "slow")).state === "running");
    save("second");
    const again = await until("it runs again", 3 * leaseMs, async () => {
      const { events } = await heddle.events(id);
      return events.filter(({ type }) => type === "task_started").length === 2 && events;
    });
    const [end] = again.filter(({ type }) => type === "attempt_ended");
    expect(end).toMatchObject({ why: "restart" });
  } finally {
    await dev.stop();
  }
});

it("Ctrl-C ends a busy server within two seconds, and nothing of it is left", async () => {
  const server = await LocalServer.start();
  try {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    await heddle.createTasks(id, { tasks: [{ key: "slow", instructions: says("done", { latency_ms: 2 * leaseMs }) }] });
    await until("it runs", leaseMs, async () => (await heddle.task(id, "slow")).state === "running");
    const waiting = heddle.wait(id, { timeout_ms: leaseMs }, { retryMs: 0 }).catch(() => "cut off");
    const processes = server.processes();
    expect(processes.length).toBeGreaterThan(2);
    const before = slowness();
    const from = Date.now();
    expect(await server.interrupt()).toBe(0);
    const tookMs = Date.now() - from;
    // Of processor time: on a busy machine it gets a share of that. What is killed only because it does not end takes five seconds anywhere.
    expect(tookMs).toBeLessThan(Math.min(4500, 2000 * Math.max(before, slowness())));
    expect(processes.filter((process) => isSame(process))).toEqual([]);
    expect(await waiting).toBe("cut off");
  } finally {
    await server.stop();
  }
});

it("A start with a damaged database ends with what to do, and shows the runtime's error once", async () => {
  const state = join(folder, "state");
  withDatabase(state, process.env.HEDDLE_CONFIG);
  const databases = join(state, "v3/d1/miniflare-D1DatabaseObject");
  for (const name of readdirSync(databases)) {
    if (/^[0-9a-f]{64}\.sqlite$/.test(name)) writeFileSync(join(databases, name), "no database".repeat(1000));
    else if (/^[0-9a-f]{64}/.test(name)) rmSync(join(databases, name));
  }
  let shown = "";
  const show = (text: string) => {
    shown += text;
  };
  await expect(startDev({ state, environment: {}, show })).rejects.toThrow(
    `The server runs, but is not ready: missing: an answer from the database.\nIf the state folder ${state} is damaged, move it away`,
  );
  expect(shown.match(/internal error/g)).toHaveLength(1);
});

it("`npm run dev` goes on when the terminal that put it into the background is left, and ends with a npm that was ended", async () => {
  const port = await freePort();
  const state = join(folder, "state");
  const log = join(folder, "npm.log");
  const terminal = spawn("sh", ["-c", `npm run dev > "${log}" 2>&1 & echo $!`], {
    cwd: projectRoot,
    env: { ...process.env, PORT: String(port), HEDDLE_STATE: state, HEDDLE_CONFIG: "" },
    // In a group of its own, as npm is where somebody uses it.
    detached: true,
  });
  let said = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await once(terminal, "close");
  const npm = Number(said);
  try {
    const isReady = async () => existsSync(log) && readFileSync(log, "utf8").includes("Heddle is ready");
    await until("it is ready, though nobody is at the terminal", 120_000, isReady);
    const { owner, members } = JSON.parse(readFileSync(join(state, "server.json"), "utf8")) as {
      owner: Identity;
      members: Identity[];
    };
    expect(members.length).toBeGreaterThan(2);
    process.kill(npm, "SIGTERM");
    await until("nothing of it is left", 30_000, async () => ![owner, ...members].some((process) => isSame(process)));
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  } finally {
    try {
      process.kill(-(terminal.pid ?? npm), "SIGTERM");
    } catch {
      // All of it has ended.
    }
  }
});
