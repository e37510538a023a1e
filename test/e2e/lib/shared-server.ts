/** One server for all the files that don't kill theirs, and the command as built, once: files run beside each other. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { bundleOnce } from "./bundle.ts";
import { LocalServer, projectRoot } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    server: { url: string; state: string };
    /** A configuration of the same worker, bundled already, and a folder for what Node compiles. */
    bundle: { config: string; compiled: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // `npm ci` has built it; a checkout that was edited since is built anew.
  const { status } = spawnSync(process.execPath, [join(projectRoot, "scripts/build.mjs")], { stdio: "inherit" });
  if (status !== 0) throw new Error("the command could not be built");
  const { remove, ...bundle } = await bundleOnce();
  project.provide("bundle", bundle);
  const server = await LocalServer.start({ HEDDLE_CONFIG: bundle.config, NODE_COMPILE_CACHE: bundle.compiled });
  project.provide("server", { url: server.url, state: server.state });
  return async () => {
    await server.stop();
    remove();
  };
}
