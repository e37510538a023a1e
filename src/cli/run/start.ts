/** Creates a run and posts its tasks; a file that the server refuses leaves no run behind that goes on. */

import { type Batch, batchesOf, inWhole } from "../../client/batches.ts";
import { HeddleProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { RunView } from "../../client/replies.ts";
import { unlessAborted } from "../../client/signals.ts";
import { cliReachMs } from "../../limits.ts";
import { problemText } from "../problem-text.ts";
import { UsageError } from "../usage.ts";
import type { Job } from "./job-file.ts";
import { withLine } from "./places.ts";

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
    if (!signal.aborted) throw refusal(error, job);
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
      throw refusal(error, job, batch);
    }
  }
  return run;
}

const interrupted = "interrupted before all of its tasks were posted";

/** What the server says about a request, said about the file. */
function refusal(error: unknown, { lineOf }: Job, batch?: Batch): unknown {
  if (!(error instanceof HeddleProblem) || error.retryable || ![400, 409, 413, 422].includes(error.status))
    return error;
  const { status, code, title, hint, detail, errors } = batch ? inWhole(error, batch) : error;
  const places = errors.map(({ path }) => withLine(path, lineOf));
  const first = errors[0];
  // A detail that says what the first error says names its field by the same path.
  const repeats = first !== undefined && detail === `${first.path}: ${first.message}`;
  const told = new HeddleProblem(status, {
    code,
    title,
    hint,
    // One that has a line is about a text in the file, and says which of its lines.
    errors: errors.map((wrong, i) => ({ ...wrong, path: places[i]! })),
    ...(detail !== undefined && { detail: repeats ? `${places[0]}: ${first.message}` : detail }),
  });
  return new UsageError(`The server refuses the file: ${problemText(told)}`);
}
