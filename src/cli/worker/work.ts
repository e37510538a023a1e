/** `heddle work`: its command line, and a Worker that runs a command once per task. */

import type { Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { seeHelp, UsageError } from "../usage.ts";
import { CommandFolder } from "./command-files.ts";
import { requireCommand } from "./find-command.ts";
import { poolOf, workerOptionsOf } from "./flags.ts";
import { workReport } from "./report.ts";
import { serve } from "./serve.ts";
import { TaskWork } from "./task-work.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

export async function work(given: Given): Promise<number> {
  const { pool, command, options, json } = read(given);
  requireCommand(command[0]!);
  const client = await reach();

  const report = workReport(json, "tasks");
  const folder = new CommandFolder();
  const worker = new Worker(client, new TaskWork(client, pool, command, folder), options, report);
  const what = `${command.join(" ")}, ${options.concurrency} at once`;
  report.say(
    `Serving pool ${pool} of ${client.url} with: ${what}. Task instructions are untrusted input (see: heddle help work).`,
  );
  try {
    const onExit = () => folder.remove();
    const { failed, forced } = await serve(worker, report, { onForce: "its tasks are retried", onExit });
    if (forced) return exitStatus.interrupted;
    return options.tasksMax !== undefined && failed > 0 ? exitStatus.failed : exitStatus.ok;
  } finally {
    folder.remove();
  }
}

interface WorkArguments {
  readonly pool: string;
  readonly command: readonly string[];
  readonly options: WorkerOptions;
  readonly json: boolean;
}

function read({ flags, rest: command = [] }: Given): WorkArguments {
  const pool = poolOf("work", flags);
  if (command.length === 0)
    throw new UsageError(`The command is missing: heddle work --pool ${pool} -- COMMAND…\n${seeHelp("work")}`);
  const options = workerOptionsOf(flags);
  const once = flags.once === true;
  if (once && (options.idleMs !== undefined || options.concurrency > 1))
    throw new UsageError("--once runs one task; it goes with neither --until-idle nor --concurrency.");
  return { pool, command, options: { ...options, ...(once && { tasksMax: 1 }) }, json: flags.json === true };
}
