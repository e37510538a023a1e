// `npm run deploy:check`: the bundle that `wrangler deploy` would upload builds offline, is small, starts fast, and holds
// nothing of local mode. Ends with status 1 when it does not.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { startDev } from "./lib/dev-server.mjs";
import { StopError } from "./lib/stop-error.mjs";
import { projectRoot, runWrangler, wranglerEnvironment } from "./lib/wrangler.mjs";

/** Texts of local mode, each of which the local bundle must contain: a check that can't find them there finds nothing. */
const localOnly = ["hdl_local", "hdl_local_admin", "This reply is simulated", "SimulatedFaults"];

/** The platform takes 10 MB compressed (3 MB on the free plan); ours must not get near by accident. */
const gzipBytesMax = 1024 * 1024;
/** A Worker's global scope may take a second of CPU; that machine may be slower than this one. */
const startUpMsMax = 500;

const KiB = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;

/** @throws StopError with its output where it fails */
async function wrangler(args, scratch) {
  const env = { ...wranglerEnvironment(scratch), CI: "true" };
  const { status, output } = await runWrangler(args, { cwd: projectRoot, env });
  if (status !== 0) throw new StopError(`wrangler ${args.join(" ")} failed:\n${output}`);
}

/** Everything that would be uploaded, as one text; source maps are not uploaded. */
async function bundle(config, scratch) {
  const out = join(scratch, config);
  await wrangler(["deploy", "--dry-run", "-c", config, "--outdir", out], scratch);
  const files = readdirSync(out, { recursive: true })
    .filter((name) => /\.(m?js|wasm|txt|bin)$/.test(name))
    .map((name) => readFileSync(join(out, name)));
  if (files.length === 0) throw new StopError(`wrangler deploy --dry-run -c ${config} wrote no module to ${out}`);
  const whole = Buffer.concat(files);
  return { text: whole.toString("latin1"), bytes: whole.length, gzipBytes: gzipSync(whole).length };
}

/** CPU milliseconds that the bundle's global scope takes, from a profile of it. */
async function startUp(config, scratch) {
  const path = join(scratch, "start-up.cpuprofile");
  await wrangler(["check", "startup", `--args=-c ${config}`, "--outfile", path], scratch);
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, "utf8"));
  const idle = new Set(nodes.filter((node) => node.callFrame.functionName === "(idle)").map((node) => node.id));
  return timeDeltas.reduce((sum, delta, i) => (idle.has(samples[i]) ? sum : sum + delta), 0) / 1000;
}

const found = (text) => localOnly.filter((needle) => text.includes(needle));

const scratch = mkdtempSync(join(tmpdir(), "heddle-deploy-"));
let server;
try {
  const deployed = await bundle("wrangler.toml", scratch);
  const local = await bundle("wrangler.local.toml", scratch);

  const missed = localOnly.filter((needle) => !local.text.includes(needle));
  if (missed.length > 0)
    throw new StopError(`This check is blind: the local bundle lacks ${missed.join(", ")}, which it looks for.`);
  const leaked = found(deployed.text);
  if (leaked.length > 0) throw new StopError(`The deploy bundle holds parts of local mode: ${leaked.join(", ")}.`);
  if (deployed.gzipBytes > gzipBytesMax)
    throw new StopError(
      `The deploy bundle is ${KiB(deployed.gzipBytes)} compressed; the bound is ${KiB(gzipBytesMax)}.`,
    );

  const startUpMs = await startUp("wrangler.toml", scratch);
  if (startUpMs > startUpMsMax)
    throw new StopError(`The deploy bundle starts in ${startUpMs.toFixed(0)} ms of CPU; the bound is ${startUpMsMax}.`);

  // The deployment itself, in the local runtime: it refuses what only local mode knows.
  server = await startDev({
    config: join(projectRoot, "wrangler.toml"),
    state: join(scratch, "state"),
    env: { HEDDLE_ADMIN_SECRET: "0".repeat(64) },
  });
  const refused = async (path, key) =>
    (await fetch(server.url + path, { headers: { authorization: `Bearer ${key}` } })).status;
  const answers = {
    "GET /v1/runs with the local key": [await refused("/v1/runs", "hdl_local"), 401],
    "GET /admin/tenants with the local secret": [await refused("/admin/tenants", "hdl_local_admin"), 401],
    "GET /simulated/openai/v1/models": [await refused("/simulated/openai/v1/models", "x"), 404],
  };
  for (const [what, [status, wanted]] of Object.entries(answers))
    if (status !== wanted) throw new StopError(`${what} answers ${status} in a deployment; it must be ${wanted}.`);

  console.log(
    `deploy bundle: ${KiB(deployed.bytes)}, ${KiB(deployed.gzipBytes)} compressed; ` +
      `start-up ${startUpMs.toFixed(0)} ms of CPU; nothing of local mode in it`,
  );
} catch (error) {
  if (!(error instanceof StopError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
}
