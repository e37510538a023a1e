/**
 * The worker of `npm run dev`, bundled once, and a database that has its migrations: tests start some sixty servers, and half of
 * each start was that. The demo's own server and those of the launcher's tests go on doing both, as a user's does. Bundled so,
 * nothing reads refused bodies to their end.
 */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { applyMigrations } from "../../../scripts/lib/migrations.mjs";
import { StateFolder } from "../../../scripts/lib/state-folder.mjs";
import { projectRoot, toolchainNode, wranglerEnvironment, wranglerScript } from "../../../scripts/lib/wrangler.mjs";

export interface Bundle {
  /** A configuration for `HEDDLE_CONFIG`. */
  readonly config: string;
  /** A folder for `NODE_COMPILE_CACHE`: what one process has compiled, the next one of hundreds need not. */
  readonly compiled: string;
  remove(): void;
}

const local = join(projectRoot, "wrangler.local.toml");

export async function bundleOnce(): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-bundle-"));
  const compiled = join(folder, "compiled");
  // With nothing else beside it: a server takes any new file there for a change of its sources, and starts its worker anew.
  const worker = join(folder, "worker");
  const environment = { ...wranglerEnvironment(folder), NODE_COMPILE_CACHE: compiled };
  await Promise.all([bundled(worker, environment), migrated(join(folder, "state"))]);
  // The worker is not the entry: wrangler compiles that one at each start, only to see what it exports.
  writeFileSync(join(worker, "main.js"), 'export * from "./index.js";\nexport { default } from "./index.js";\n');
  const config = join(worker, "wrangler.toml");
  const text = readFileSync(local, "utf8")
    .replace(
      'main = "src/local/index.ts"',
      'main = "main.js"\nno_bundle = true\nrules = [{ type = "ESModule", globs = ["index.js"] }]',
    )
    .replace("minify = true\n", "")
    // Wrangler would say each time that it does not trigger the sweep, and start a compiler for the colours of that. The launcher triggers it.
    .replace(/\[triggers\]\ncrons = .*\n/, "")
    .replace('migrations_dir = "migrations"', `migrations_dir = ${JSON.stringify(join(projectRoot, "migrations"))}`);
  writeFileSync(config, text);
  return { config, compiled, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

async function bundled(worker: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = [wranglerScript(), "deploy", "--dry-run", "-c", local, "--outdir", worker];
  const child = spawn(toolchainNode(), args, { cwd: projectRoot, env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const status = await new Promise((resolve) => child.once("close", resolve));
  if (status !== 0) throw new Error(`the worker could not be bundled:\n${said}`);
}

async function migrated(state: string): Promise<void> {
  await applyMigrations({ root: projectRoot, config: local, folder: new StateFolder(state), log: () => undefined });
}

/** Gives a new state folder the database that was made with the bundle, where its server will be one of the bundle's. */
export function withDatabase(state: string, config = ""): void {
  const made = join(dirname(config), "../state");
  if (config === "" || !existsSync(made)) return;
  for (const name of ["v3", "migrated"]) cpSync(join(made, name), join(state, name), { recursive: true });
}
