// `npm run demo [-- FOLDER]`: a real job on real files. Each source file is a task on a fork of one context, each folder a
// task after its files, and a report comes after all. It starts its own server unless HEDDLE_URL names one.

import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import os, { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { planOf } from "./demo/plan.mjs";
import { failureLines, reportOf } from "./demo/report.mjs";
import { sourceFiles } from "./demo/source-files.mjs";
import { startWorkers } from "./demo/workers.mjs";
import { startDev } from "./lib/dev-server.mjs";
import { StopError } from "./lib/stop-error.mjs";
import { projectRoot } from "./lib/wrangler.mjs";

const filesMax = 2000;
const workerCount = 2;

const help = `npm run demo [-- FOLDER]

Analyses the source files of FOLDER (default: this repository) as a parallel Heddle run and writes heddle-report.md to the
current directory. With ANTHROPIC_API_KEY or OPENAI_API_KEY set, hosted agents write the folder summaries and the opening of
the report; without, the simulated model stands in and says so. HEDDLE_URL (and HEDDLE_API_KEY) use a server that runs.
Ends with status 1 when a task did not succeed, and says which.
`;

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(name, () => {
    if (!interrupted.signal.aborted) console.error("Interrupted: stopping what was started…");
    interrupted.abort(new StopError("Interrupted."));
  });

/** What a user can act on, as the command line says it; undefined for anything else. */
let sayable = () => undefined;

/** What has been started, newest last; ended in reverse. */
const cleanups = [];
async function demo(argv) {
  if (argv.includes("--help") || argv.includes("-h")) return void console.log(help);
  const { root, reportPath } = pathsOf(argv);
  const found = sourceFiles(root, filesMax);
  const { Heddle, watchRun, progressOf, ...connection } = await builtParts();
  const server = await serverOf(connection);
  const client = new Heddle(server);

  const provider = process.env.ANTHROPIC_API_KEY ? "anthropic" : process.env.OPENAI_API_KEY ? "openai" : undefined;
  const pool = `analysis-${randomBytes(3).toString("hex")}`;
  const plan = planOf({
    root,
    files: found.files,
    pool,
    format: provider ?? "anthropic",
    simulated: provider === undefined,
  });
  const concurrency = Math.max(2, cores());
  const workers = startWorkers({ count: workerCount, concurrency, pool, root, ...server });
  let abort = true;
  cleanups.push(() => (abort ? workers.abort() : workers.stop()));

  const { files, folders, hosted } = plan.counts;
  console.log(
    `${root}: ${files} source ${files === 1 ? "file" : "files"} in ${folders} ${folders === 1 ? "folder" : "folders"}. ${plan.counts.tasks} tasks, served by ${workerCount} workers with ${concurrency} commands each`,
  );
  console.log(
    provider
      ? `and by hosted agents (${provider}) for ${hosted} ${hosted === 1 ? "text" : "texts"}, which costs tokens.`
      : `and by the simulated model for ${hosted} ${hosted === 1 ? "text" : "texts"} (no ANTHROPIC_API_KEY or OPENAI_API_KEY is set; the measurements are real).`,
  );
  const run = await client.createRun({
    name: `demo: ${basename(root)}`.slice(0, 200),
    context: plan.context,
    limits: { workers: workerCount * concurrency + 8, tasks: plan.counts.tasks + 100 },
  });
  // Nobody would serve what is left of it, but hosted agents of a server that is not ours might, and that costs tokens.
  cleanups.push(() => (abort ? client.cancelRun(run.id, {}, { retryMs: 0 }).catch(() => undefined) : undefined));
  await client.runs.get(run.id).tasks.createMany(plan.tasks);

  const progress = progressOf(false);
  try {
    const watching = watchRun(client, run.id, progress, {
      signal: interrupted.signal,
      detailed: process.stderr.isTTY === true,
    });
    watching.catch(() => undefined);
    await Promise.race([watching, workers.failed]);
  } finally {
    progress.close();
  }
  const ended = await client.finishRun(run.id);
  abort = false;
  const { text, summary, failures } = await written(client, {
    run: ended,
    plan,
    root,
    found,
    provider,
    workers: `${workerCount} workers with ${concurrency} commands each`,
  });
  writeFileSync(reportPath, text);
  console.log(`${summary}\nReport: ${reportPath}`);
  if (failures === "") return;
  console.error(`These tasks did not succeed, so the report is not whole:\n${failures}`);
  process.exitCode = 1;
}

async function written(client, { run, plan, root, found, provider, workers }) {
  const tasks = [];
  for await (const task of client.tasks(run.id, { limit: 1000 })) tasks.push(task);
  const byKey = new Map(tasks.map((task) => [task.key, task]));
  const ends = tasks.map((task) => task.timings.ended_at ?? run.created_at);
  const wallMs = Math.max(1, ends.reduce((last, at) => Math.max(last, at), 0) - run.created_at);
  const taskMs = tasks.reduce(
    (sum, { timings }) => sum + (timings.started_at && timings.ended_at ? timings.ended_at - timings.started_at : 0),
    0,
  );
  const speedUp = taskMs / wallMs;
  const text = reportOf({
    name: basename(root),
    run,
    tasks,
    root: byKey.get("root")?.result ?? undefined,
    overview: textOf(byKey.get("report")),
    summaries: plan.summaries.map(({ key, path }) => ({
      path,
      text: textOf(byKey.get(key)) ?? "(no summary: see Failures)",
    })),
    skipped: { ...found, max: filesMax },
    model: provider
      ? `The opening and the folder summaries were written by a hosted agent (${provider}); the numbers were measured.`
      : "No provider key was set: the opening and the folder summaries come from the simulated model, which only repeats measurements. Set ANTHROPIC_API_KEY or OPENAI_API_KEY for real ones.",
    timing: { wallMs, taskMs, speedUp, workers },
  });
  const failed = tasks.filter((task) => task.state !== "succeeded").length;
  const forks = tasks.filter((task) => task.fork.mode !== "none").length;
  const summary = [
    `${tasks.length} tasks${failed > 0 ? `, ${failed} of which did not succeed` : ""}, ${forks} forks, ${run.usage.tokens} tokens${provider ? "" : " (simulated)"}`,
    `${(wallMs / 1000).toFixed(1)} s wall time, ${(taskMs / 1000).toFixed(1)} s of work: speed-up ${speedUp.toFixed(1)}×`,
  ];
  return { text, summary: summary.join("\n"), failures: failureLines(tasks) };
}

const textOf = (task) =>
  typeof task?.result === "string" ? task.result : task?.result ? JSON.stringify(task.result) : undefined;

function pathsOf(argv) {
  const flag = argv.find((word) => word.startsWith("-"));
  if (flag !== undefined) throw new StopError(`Unknown flag ${flag}.\n\n${help}`);
  if (argv.length > 1) throw new StopError(`Name one folder.\n\n${help}`);
  // npm runs scripts in the package's folder; what the user types is meant from where they are.
  const here = process.env.INIT_CWD || process.cwd();
  const root = argv[0] === undefined ? projectRoot : resolve(here, argv[0]);
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) throw new StopError(`${root} is no folder.`);
  return { root: realpathSync(root), reportPath: join(here, "heddle-report.md") };
}

/** The client and the display come from the built package, so that the demo runs what users install. */
async function builtParts() {
  if (!existsSync(join(projectRoot, "dist", "cli", "main.js"))) await import("./build.mjs");
  const [{ Heddle }, { watchRun }, { progressOf }, { failureText }, { reach, serverUrl, apiKey }] = await Promise.all([
    import("../dist/client/index.js"),
    import("../dist/cli/run/watch.js"),
    import("../dist/cli/run/progress.js"),
    import("../dist/cli/failure-text.js"),
    import("../dist/cli/connection.js"),
  ]);
  sayable = (error) => failureText(error)?.text;
  return { Heddle, watchRun, progressOf, reach, serverUrl, apiKey };
}

async function serverOf({ reach, serverUrl, apiKey }) {
  if (process.env.HEDDLE_URL) {
    await reach();
    return { url: serverUrl(), key: apiKey() };
  }
  console.log("Starting a local server…");
  const start = (state) => startDev({ state, signal: interrupted.signal });
  let server;
  try {
    server = await start(join(projectRoot, ".heddle", "demo"));
  } catch (error) {
    if (!/already running/.test(error.message)) throw error;
    // Another demo runs: this one gets a folder of its own.
    const state = mkdtempSync(join(tmpdir(), "heddle-demo-"));
    cleanups.push(() => rmSync(state, { recursive: true, force: true }));
    server = await start(state);
  }
  cleanups.push(() => server.stop());
  return { url: server.url, key: server.key };
}

function cores() {
  return os.availableParallelism?.() ?? os.cpus().length; // Node 18.0 lacks the former
}

try {
  await demo(process.argv.slice(2));
} catch (error) {
  if (!interrupted.signal.aborted)
    console.error(error instanceof StopError ? error.message : (sayable(error) ?? error));
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup();
}
