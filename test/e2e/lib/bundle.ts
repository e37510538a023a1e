/**
 * The worker of `npm run dev`, bundled once: tests start some eighty servers, and a third of each start was bundling. The demo's own
 * server and those of the launcher's tests go on bundling, as a user's does. Bundled so, nothing reads refused bodies to their end.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolchainNode, wranglerEnvironment, wranglerScript } from "../../../scripts/lib/wrangler.mjs";
import { projectRoot } from "./server.ts";

export interface Bundle {
  /** A configuration for `HEDDLE_CONFIG`. */
  readonly config: string;
  remove(): void;
}

export function bundleOnce(): Bundle {
  const folder = mkdtempSync(join(tmpdir(), "heddle-bundle-"));
  const local = join(projectRoot, "wrangler.local.toml");
  const { status, stderr } = spawnSync(
    toolchainNode(),
    [wranglerScript(), "deploy", "--dry-run", "-c", local, "--outdir", folder],
    { cwd: projectRoot, env: wranglerEnvironment(folder), encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`the worker could not be bundled:\n${stderr}`);
  const config = join(folder, "wrangler.toml");
  const text = readFileSync(local, "utf8")
    .replace('main = "src/local/index.ts"', 'main = "index.js"\nno_bundle = true')
    .replace("minify = true\n", "")
    .replace('migrations_dir = "migrations"', `migrations_dir = ${JSON.stringify(join(projectRoot, "migrations"))}`);
  writeFileSync(config, text);
  return { config, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
