/** `heddle work`: the command line, signals and exit status around a Worker. */

import { hostname } from "node:os";
import { workConcurrencyMax } from "../../limits.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { readArguments, seeHelp, UsageError, wholeNumber } from "../usage.ts";
import { requireCommand } from "./find-command.ts";
import { workReport } from "./report.ts";
import { TaskFolder } from "./task-files.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

const secondsMax = 7 * 24 * 3600;

export async function work(argv: readonly string[]): Promise<number> {
  const { options, json } = read(argv);
  requireCommand(options.command[0]!);
  const client = await reach();

  const report = workReport(json);
  const folder = new TaskFolder();
  const worker = new Worker(client, options, folder, report);
  let signals = 0;
  const onSignal = () => {
    signals++;
    if (signals === 1) {
      report.say(
        worker.running > 0
          ? `Stopping; what still runs may finish (${worker.running}). Once more: stop it, and its tasks are retried.`
          : "Stopping.",
      );
      worker.stop();
    } else if (signals === 2) worker.kill();
    else {
      worker.abandon();
      process.exit(exitStatus.interrupted);
    }
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  process.on("exit", () => folder.remove());

  const what = `${options.command.join(" ")}, ${options.concurrency} at once`;
  report.say(
    `Serving pool ${options.pool} of ${client.url} with: ${what}. Task instructions are untrusted input (see: heddle help work).`,
  );
  try {
    const { failed } = await worker.work();
    if (signals > 1) return exitStatus.interrupted;
    return options.tasksMax !== undefined && failed > 0 ? exitStatus.failed : exitStatus.ok;
  } finally {
    report.close();
    folder.remove();
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, onSignal);
  }
}

function read(argv: readonly string[]): { options: WorkerOptions; json: boolean } {
  const split = argv.indexOf("--");
  const own = split < 0 ? argv : argv.slice(0, split);
  const command = split < 0 ? [] : argv.slice(split + 1);
  const { flags, words } = readArguments("work", own, {
    pool: { type: "string" },
    concurrency: { type: "string" },
    once: { type: "boolean" },
    "until-idle": { type: "string" },
    json: { type: "boolean" },
  });
  if (words.length > 0)
    throw new UsageError(
      `The command stands after "--": heddle work --pool NAME -- ${words.join(" ")}\n${seeHelp("work")}`,
    );
  const { pool } = flags;
  if (typeof pool !== "string")
    throw new UsageError(`--pool is missing: the name of the pool to serve.\n${seeHelp("work")}`);
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(pool))
    throw new UsageError(
      `--pool is "${pool}"; a pool's name is a lower-case letter, then up to 63 of a–z, 0–9, _ and -.`,
    );
  if (pool === "hosted")
    throw new UsageError('The pool "hosted" is served by Heddle itself. Give your tasks a pool of their own.');
  if (command.length === 0)
    throw new UsageError(`The command is missing: heddle work --pool ${pool} -- COMMAND…\n${seeHelp("work")}`);
  const concurrency = wholeNumber(flags, "concurrency", { min: 1, max: workConcurrencyMax, fallback: 1 });
  const idleSeconds = wholeNumber(flags, "until-idle", { min: 0, max: secondsMax });
  const once = flags.once === true;
  if (once && (idleSeconds !== undefined || concurrency > 1))
    throw new UsageError("--once runs one task; it goes with neither --until-idle nor --concurrency.");
  const options = {
    pool,
    command,
    concurrency,
    worker: `${hostname()}:${process.pid}`.slice(-200),
    ...(once && { tasksMax: 1 }),
    ...(idleSeconds !== undefined && { idleMs: idleSeconds * 1000 }),
  };
  return { options, json: flags.json === true };
}
