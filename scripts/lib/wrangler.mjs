// Where wrangler is, which Node runs it, and the environment that keeps it quiet, offline and fast.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StopError } from "./stop-error.mjs";

export const projectRoot = fileURLToPath(new URL("../../", import.meta.url));

const nodeMajorMin = 22;

/** The toolchain's own Node (a devDependency), else the running one if it is new enough for wrangler. */
export function toolchainNode() {
  const own = join(projectRoot, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(own)) return own;
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorMin) return process.execPath;
  throw new StopError(
    `The toolchain's own Node is not installed, and this one (${process.version}) is too old for wrangler.\nRun: npm ci --include=dev`,
  );
}

export function wranglerScript() {
  const script = join(projectRoot, "node_modules", "wrangler", "bin", "wrangler.js");
  if (existsSync(script)) return script;
  throw new StopError("wrangler is not installed. Run: npm ci --include=dev");
}

/** The environment of every wrangler process that we start; `state` keeps what it would write to the home folder. */
export function wranglerEnvironment(state) {
  const env = {
    WRANGLER_LOG: "warn",
    ...process.env,
    X_LOCAL_OBSERVABILITY: "false", // local tracing makes every RPC 20 times slower
    X_LOCAL_EXPLORER: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_NO_SKILLS_UPDATE_PROMPTS: "true",
    WRANGLER_WRITE_LOGS: "false", // its output goes to our own, bounded log
    WRANGLER_REGISTRY_PATH: join(state, "registry"), // two servers on one machine must not find each other
  };
  // Would pick another section of the configuration.
  delete env.CLOUDFLARE_ENV;
  return env;
}

/** Runs wrangler to its end; resolves to its exit status and all that it has said. */
export function runWrangler(args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(toolchainNode(), [wranglerScript(), ...args], {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ status: code ?? 1, output }));
  });
}
