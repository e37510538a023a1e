/** `heddle work`: its command line, and a Worker that has each task carried out by a command or by a harness. */

import type { Heddle } from "../../client/heddle.ts";
import type { Given } from "../command.ts";
import { reach, serverUrl } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { UsageError } from "../usage.ts";
import { executionOf } from "./command-execution.ts";
import { CommandFolder } from "./command-files.ts";
import { requireCommand } from "./find-command.ts";
import { poolOf, workerOptionsOf } from "./flags.ts";
import { commandLine, environmentOf, mcpFileText, shellText } from "./harness/command-line.ts";
import { HarnessExecution } from "./harness/harness-execution.ts";
import { ParentSessions } from "./harness/parent-sessions.ts";
import { type HarnessName, type Recipe, recipeOf } from "./harness/recipes.ts";
import { type WorktreeMode, Worktrees } from "./harness/worktrees.ts";
import { type WorkReport, workReport } from "./report.ts";
import { serve } from "./serve.ts";
import { type StartTask, subjectOf, TaskWork } from "./task-work.ts";
import { verdictOf } from "./verdict.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

export async function work(given: Given): Promise<number> {
  const read = readWork(given);
  if (read.harness && given.flags.print === true) return print(read.harness);
  requireCommand(read.harness?.recipe.command ?? read.command[0]!);
  const { harness, pool, options, json } = read;
  const worktrees = harness?.worktree && (await Worktrees.in(process.cwd(), harness.worktree));
  const client = await reach();

  const report = workReport(json, "tasks");
  const folder = new CommandFolder();
  try {
    for (const text of (await worktrees?.recover()) ?? []) report.say(text);
    const start = harness
      ? harnessStart(harness, worktrees, client, folder, report)
      : commandStart(read.command, folder);
    const worker = new Worker(client, new TaskWork(client, pool, start), options, report);
    const what = harness ? shellText(exampleLine(harness, client.url)) : read.command.join(" ");
    report.say(
      `Serving pool ${pool} of ${client.url} with: ${what}, ${options.concurrency} at once. Task instructions are untrusted input (see: heddle help work).`,
    );
    const onExit = () => folder.remove();
    const { failed, forced } = await serve(worker, report, { onForce: "its tasks are retried", onExit });
    if (forced) return exitStatus.interrupted;
    return options.tasksMax !== undefined && failed > 0 ? exitStatus.failed : exitStatus.ok;
  } finally {
    folder.remove();
  }
}

const commandStart =
  (command: readonly string[], folder: CommandFolder): StartTask =>
  (_lease, input, telling) =>
    executionOf(command, folder, input, verdictOf, telling);

function harnessStart(
  { recipe, session, extra }: Harness,
  worktrees: Worktrees | undefined,
  client: Heddle,
  folder: CommandFolder,
  report: WorkReport,
): StartTask {
  const settings = {
    ...{ recipe, session, extra, worktrees, folder, url: client.url, sessions: new ParentSessions() },
    confirm: (lease: string) => client.renewLease(lease),
    say: (text: string) => report.say(text),
    doing: (lease: Parameters<typeof subjectOf>[0], text: string) => report.doing(subjectOf(lease), text),
  };
  return (lease, input, telling) => new HarnessExecution(settings, lease, input, telling);
}

interface Harness {
  readonly recipe: Recipe;
  readonly session: string | undefined;
  readonly worktree: WorktreeMode | undefined;
  readonly extra: readonly string[];
}

interface WorkArguments {
  readonly pool: string;
  readonly command: readonly string[];
  readonly harness: Harness | undefined;
  readonly options: WorkerOptions;
  readonly json: boolean;
}

function readWork({ flags, rest = [] }: Given): WorkArguments {
  const harness = harnessOf(flags, rest);
  const pool = harness && flags.print === true ? "" : poolOf("work", flags);
  if (!harness && rest.length === 0)
    throw new UsageError(`The command is missing: heddle work --pool ${pool} -- COMMAND…, or --harness NAME`, "work");
  const options = workerOptionsOf(flags);
  const once = flags.once === true;
  if (once && (options.idleMs !== undefined || options.concurrency > 1))
    throw new UsageError("--once runs one task; it goes with neither --until-idle nor --concurrency.");
  return {
    pool,
    command: harness ? [] : rest,
    harness,
    options: { ...options, ...(once && { tasksMax: 1 }) },
    json: flags.json === true,
  };
}

function harnessOf(flags: Given["flags"], extra: readonly string[]): Harness | undefined {
  if (flags.harness === undefined) {
    const lone = ["session", "worktree", "print"].find((name) => flags[name] !== undefined);
    if (lone !== undefined) throw new UsageError(`--${lone} goes with --harness NAME only.`, "work");
    return undefined;
  }
  const recipe = recipeOf(flags.harness as HarnessName);
  const session = flags.session as string | undefined;
  if (session !== undefined && recipe.fork === undefined)
    throw new UsageError(
      `${recipe.title} tells of a copied session's tokens those of the session that was copied, too, and nobody could say what a task used. Leave out --session; the task's context is told to it as text.`,
    );
  if (session !== undefined && recipe.forksInPlace && flags.worktree !== undefined)
    throw new UsageError(
      `${recipe.title} can copy a session only in the folder that the session is of, and with --worktree each task has a folder of its own. Leave out one of --session and --worktree.`,
    );
  if (session !== undefined && !/^[\w.-]+$/.test(session))
    throw new UsageError(`--session is "${session}", which is no session's id.`);
  return { recipe, session, worktree: flags.worktree as WorktreeMode | undefined, extra };
}

const exampleFile = "$HEDDLE_MCP_FILE";

const exampleLine = ({ recipe, session, extra }: Harness, url: string): string[] =>
  commandLine(recipe, { url, extra, mcpFile: exampleFile, ...(session && { session: { id: session, how: "fork" } }) });

/** What would be run, and the file that it would be given. */
function print(harness: Harness): number {
  const { recipe } = harness;
  const url = serverUrl();
  const env = Object.entries(environmentOf(recipe, url, "LEASE")).map(
    ([name, value]) => `${name}=${shellText([value])} `,
  );
  const line = shellText(exampleLine(harness, url)).replaceAll(`'${exampleFile}'`, exampleFile);
  const file = mcpFileText(recipe, url, "LEASE");
  process.stdout.write(`${env.join("")}${line}\n`);
  process.stdout.write(
    "# stdin: the task with its context, as text. LEASE is the task's own token, also in HEDDLE_LEASE.\n",
  );
  if (harness.worktree) process.stdout.write(`# in a git worktree of its own; then: ${harness.worktree}\n`);
  if (file !== undefined) process.stdout.write(`# ${exampleFile}:\n${file}`);
  return exitStatus.ok;
}
