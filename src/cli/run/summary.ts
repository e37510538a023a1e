/** The end of `heddle run`: what became of the tasks, what it took, and where the results are. */

import type { Heddle } from "../../client/heddle.ts";
import type { RunView, TaskView } from "../../client/replies.ts";
import type { CallOptions } from "../../client/transport.ts";
import { duration } from "../../duration.ts";
import { firstRows } from "../all-rows.ts";
import { errorLine } from "../look/task-text.ts";
import { oneLine } from "../plain-text.ts";
import { countsText, totalOf } from "./counts.ts";
import { named } from "./progress.ts";
import { moneyText } from "./spent.ts";

const failedShown = 20;
/** Runs of up to so many tasks show what each of them answered. */
const resultsShown = 10;
const resultCharsShown = 2000;
const errorCharsShown = 300;

export interface Summary {
  readonly run: RunView;
  /** Tasks that failed, first ones first, at most 20. */
  readonly failed: readonly TaskView[];
  readonly all_succeeded: boolean;
  /** The root's result, when the run has one that succeeded. */
  readonly result: unknown;
  /** Of a small run: its tasks that succeeded, but for the root; else none. */
  readonly succeeded: readonly TaskView[];
}

export async function summaryOf(client: Heddle, run: RunView, options: CallOptions = {}): Promise<Summary> {
  const failed =
    run.counts.failed > 0
      ? await firstRows(client.tasks(run.id, { state: "failed", limit: failedShown }, options), failedShown)
      : [];
  const root = run.root === null ? undefined : await client.task(run.id, run.root, options);
  const total = totalOf(run.counts);
  const shown =
    total <= resultsShown
      ? (await client.listTasks(run.id, { state: "succeeded", limit: resultsShown }, options)).tasks
      : [];
  const succeeded = shown.filter((task) => task.id !== root?.id);
  return { run, failed, all_succeeded: run.counts.succeeded === total, result: root?.result, succeeded };
}

export function summaryText({ run, failed, result, succeeded }: Summary, url: string): string {
  const wallMs = (run.ended_at ?? Date.now()) - run.created_at;
  const { input_tokens, output_tokens, cache_read_tokens, tokens } = run.usage;
  const lines = [
    `Run ${run.id}${run.name === null ? "" : ` "${oneLine(run.name)}"`}: ${run.status}${run.reason === null ? "" : ` (${oneLine(run.reason)})`}`,
    `  tasks    ${countsText(run.counts)}`,
    `  time     ${duration(wallMs)}`,
    `  tokens   ${tokens}${tokens > 0 ? ` (${input_tokens} in, ${output_tokens} out, ${cache_read_tokens} of the input read from caches)` : ""}`,
  ];
  if (tokens > 0) lines.push(`  cost     ${moneyText(run)}`);
  for (const task of failed)
    lines.push(`  failed   ${named(task)}: ${errorLine(task.error, errorCharsShown) || "no error recorded"}`);
  if (run.counts.failed > failed.length) lines.push(`  failed   and ${run.counts.failed - failed.length} more`);
  for (const task of succeeded)
    lines.push(`  result   ${oneLine(task.title ?? task.key ?? task.id).slice(0, 70)}: ${resultText(task.result)}`);
  if (result !== null && result !== undefined) lines.push(`  result   ${resultText(result)}`);
  // The default of the key is ours, not the shell's.
  lines.push(`  results  curl -H "authorization: Bearer \${HEDDLE_API_KEY:-hdl_local}" ${url}/v1/runs/${run.id}/tasks`);
  return `${lines.join("\n")}\n`;
}

const resultText = (result: unknown): string =>
  oneLine(typeof result === "string" ? result : JSON.stringify(result)).slice(0, resultCharsShown);
