/** `heddle run` and `heddle watch`. */

import { isProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { RunView } from "../../client/replies.ts";
import { runTimeoutMsMax } from "../../limits.ts";
import type { Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { readSound } from "../rules/rules-file.ts";
import { note, say, sayEvent } from "../screen/output.ts";
import { onSignals } from "../signals.ts";
import { ServedWorkspace } from "../tools/served-workspace.ts";
import { workspaceOf } from "../tools/workspace-flags.ts";
import { UsageError, wholeNumber } from "../usage.ts";
import { type Job, type JobFormat, readJob } from "./job-file.ts";
import { progressOf } from "./progress.ts";
import { startJob } from "./start.ts";
import { summaryOf, summaryText } from "./summary.ts";
import { watchRun } from "./watch.ts";

export async function run({ flags, words: [file] }: Given): Promise<number> {
  const waitMs = wholeNumber(flags, "wait-ms", { min: 0, max: runTimeoutMsMax });
  const given = workspaceOf(flags);
  if (given && flags.detach === true)
    throw new UsageError(
      "--workspace is served while the run is watched, so it does not go with --detach. Serve it with heddle tools.",
      "run",
    );
  const job = withRules(await readJob(file!, flags.format as JobFormat | undefined), flags.rules as string | undefined);
  const workspace = given && new ServedWorkspace(given);
  const client = await reach();
  const json = flags.json === true;
  const created = await started(client, workspace ? withTools(job, workspace) : job);
  if (created === undefined) return exitStatus.interrupted;
  if (flags.detach === true) {
    if (json) sayEvent("created", { run: created.id });
    else say(created.id);
    return exitStatus.ok;
  }
  const stopServing = workspace?.serve(client, (text) => (json ? sayEvent("note", { text }) : note(text)));
  try {
    return await watched(client, created.id, { json, waitMs, finish: true });
  } finally {
    await stopServing?.();
  }
}

/** @throws UsageError after each line that is no rule was told of */
function withRules(job: Job, path: string | undefined): Job {
  if (path === undefined) return job;
  const rules = readSound(path);
  if (!rules) throw new UsageError(`${path} has lines that are no rules.`, "rules");
  return { ...job, run: { ...job.run, rules: rules.text } };
}

const withTools = (job: Job, { tools }: ServedWorkspace): Job => ({
  ...job,
  run: { ...job.run, tools: [...(job.run.tools ?? []), ...tools] },
});

export async function watch({ flags, words: [run] }: Given): Promise<number> {
  const waitMs = wholeNumber(flags, "wait-ms", { min: 0, max: runTimeoutMsMax });
  return watched(await reach(), run!, { json: flags.json === true, waitMs, finish: false });
}

/** The run with its tasks; undefined when a signal came first, and nothing of it goes on. */
async function started(client: Heddle, job: Job): Promise<RunView | undefined> {
  const interrupt = new AbortController();
  const stopListening = onSignals(() => interrupt.abort(new Interrupted()));
  let cancelled = "The run was cancelled.";
  const left = (run: string | undefined) => {
    cancelled = run
      ? `The run could not be cancelled, and goes on. Cancel it: heddle cancel ${run}`
      : "The server has not said whether there is a run. See: heddle runs";
    if (!interrupt.signal.aborted) note(cancelled);
  };
  try {
    return await startJob(client, job, interrupt.signal, left);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    note(`Interrupted before all tasks were posted. ${cancelled}`);
    return undefined;
  } finally {
    stopListening();
  }
}

interface Watching {
  readonly json: boolean;
  readonly waitMs: number | undefined;
  /** End the run when its tasks have ended: we made it, and it has no root that would. */
  readonly finish: boolean;
}

async function watched(client: Heddle, id: string, { json, waitMs, finish }: Watching): Promise<number> {
  const progress = progressOf(json);
  const interrupt = new AbortController();
  const stopListening = onSignals(() => interrupt.abort(new Interrupted()));
  const timer = waitMs === undefined ? undefined : setTimeout(() => interrupt.abort(new TimeUp()), waitMs);
  try {
    if (json) sayEvent(finish ? "created" : "watching", { run: id });
    else progress.note(`Run ${id}`);
    let view: RunView;
    for (;;) {
      view = await watchRun(client, id, progress, {
        signal: interrupt.signal,
        detailed: !json && process.stderr.isTTY === true,
      });
      if (!finish || view.root !== null || view.ended_at !== null) break;
      const finished = await finishedRun(client, id, interrupt.signal);
      if (finished) {
        view = finished;
        break;
      }
    }
    const summary = await summaryOf(client, view, { signal: interrupt.signal });
    progress.close();
    if (json) sayEvent("end", { ...summary });
    else process.stdout.write(summaryText(summary, client.url));
    return summary.all_succeeded ? exitStatus.ok : exitStatus.failed;
  } catch (error) {
    progress.close();
    if (!(error instanceof Interrupted) && !(error instanceof TimeUp)) throw error;
    if (json) sayEvent("left", { run: id, why: error instanceof TimeUp ? "time" : "interrupted" });
    const how = `The run goes on. See it again: heddle watch ${id}   Cancel it: heddle cancel ${id}`;
    note(`${error instanceof TimeUp ? `Not ended within ${waitMs} ms. ` : ""}${how}`);
    return error instanceof TimeUp ? exitStatus.failed : exitStatus.interrupted;
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

/** The ended run; undefined when somebody has posted more tasks meanwhile. */
async function finishedRun(client: Heddle, id: string, signal: AbortSignal): Promise<RunView | undefined> {
  try {
    return await client.finishRun(id, {}, { signal });
  } catch (error) {
    if (isProblem(error, "tasks_live")) return undefined;
    if (isProblem(error, "run_ended")) return await client.run(id, { signal });
    throw error;
  }
}

class Interrupted extends Error {}
class TimeUp extends Error {}
