/** Creates a run and posts its tasks; a file that the server refuses leaves no run behind that goes on. */

import { HeddleProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { RunView } from "../../client/replies.ts";
import { unlessAborted } from "../../client/signals.ts";
import { cliReachMs } from "../../limits.ts";
import { problemText } from "../problem-text.ts";
import { UsageError } from "../usage.ts";
import { type Batch, batchesOf } from "./batches.ts";
import type { Job } from "./job-file.ts";

/**
 * `left` hears of a half-made run that could not be cancelled; undefined: nobody knows whether there is one.
 * @throws UsageError where the file is what the server refuses; the reason of `signal`, once the half-made run is cancelled or left
 */
export async function startJob(
  client: Heddle,
  job: Job,
  signal: AbortSignal,
  left: (run: string | undefined) => void,
): Promise<RunView> {
  const cancel = (run: RunView, reason: string) =>
    client.cancelRun(run.id, { reason }, { retryMs: cliReachMs }).catch(() => left(run.id));
  // A run whose creation is under way may come to be, and its root would work: it is waited for, and cancelled.
  const giveUp = new AbortController();
  const creating = client.createRun(job.run, { signal: giveUp.signal });
  const run = await unlessAborted(creating, signal).catch(async (error: unknown) => {
    if (!signal.aborted) throw refusal(error);
    const timer = setTimeout(() => giveUp.abort(), cliReachMs);
    const made = await creating.catch(() => undefined);
    clearTimeout(timer);
    if (made) await cancel(made, interrupted);
    else if (giveUp.signal.aborted) left(undefined);
    throw error;
  });
  for (const batch of batchesOf(job.tasks, job.groups)) {
    try {
      await client.createTasks(run.id, { tasks: batch.tasks, groups: batch.groups, from: run.snapshot }, { signal });
    } catch (error) {
      await cancel(run, signal.aborted ? interrupted : "its tasks were refused");
      throw refusal(error, batch, job.lines);
    }
  }
  return run;
}

const interrupted = "interrupted before all of its tasks were posted";

/** What the server says about a batch, said about the file. */
function refusal(error: unknown, batch?: Batch, lines?: Job["lines"]): unknown {
  if (!(error instanceof HeddleProblem) || error.retryable || ![400, 409, 413, 422].includes(error.status))
    return error;
  const errors = error.errors.map(({ path, message }) => ({ message, path: inFile(path, batch, lines) }));
  const { status, code, title, hint } = error;
  const told = new HeddleProblem(status, {
    code,
    title,
    hint,
    errors,
    ...(error.detail !== undefined && { detail: inFile(error.detail, batch, lines) }),
  });
  return new UsageError(`The server refuses the file: ${problemText(told)}`);
}

/** A position in the batch as one in the file, with its line where that is known. */
const inFile = (text: string, batch: Batch | undefined, lines: Job["lines"] = []): string =>
  batch === undefined
    ? text
    : text.replace(/\btasks\[(\d+)\]/g, (all, i) => {
        const at = batch.positions[i];
        if (at === undefined) return all;
        return lines[at] === undefined ? `tasks[${at}]` : `tasks[${at}] (line ${lines[at]})`;
      });
