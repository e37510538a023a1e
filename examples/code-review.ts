/**
 * A review of a folder of sources: a task for each file, one for each folder that sums its files up, and a report. This program is the
 * worker, too, and there is no model in it: put yours where `review` is.
 *
 *   npx node examples/code-review.ts [FOLDER]
 *
 * Needs a server (`npm run dev`). A file that can't be reviewed is told of in the report, and spoils neither its folder nor the rest.
 */

import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Heddle, type LeasedTask, WorkFailed } from "heddle/client";

interface Review {
  lines: number;
  remarks: string[];
}

interface Summary extends Review {
  folder: string;
  files: number;
  failed: string[];
}

const folder = process.argv[2] ?? "src/client";
const heddle = new Heddle({
  url: process.env.HEDDLE_URL ?? "http://127.0.0.1:8787",
  key: process.env.HEDDLE_API_KEY ?? "hdl_local",
});

const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter((entry) => !entry.isDirectory() && entry.name.endsWith(".ts"))
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  .sort();
const folders = [...new Set(files.map((file) => dirname(file)))];

/** One file; an error that may pass (a linter that is busy, say) would be thrown with `retryable: true`. */
async function review({ instructions: file }: Pick<LeasedTask, "instructions">): Promise<Review> {
  const text = await readFile(join(folder, file), "utf8").catch((error: Error) => {
    throw new WorkFailed("unreadable", error.message);
  });
  const lines = text.split("\n");
  const remarks = lines.flatMap((line, at) => (line.length > 160 ? [`${file}:${at + 1} is ${line.length} wide`] : []));
  return { lines: lines.length, remarks };
}

async function summarise(task: Pick<LeasedTask, "instructions" | "dependencies">): Promise<Summary> {
  const ends = await task.dependencies<Review>();
  const reviews = ends.flatMap((end) => (end.state === "succeeded" ? [end.result] : []));
  return {
    folder: task.instructions,
    files: ends.length,
    lines: reviews.reduce((sum, { lines }) => sum + lines, 0),
    remarks: reviews.flatMap(({ remarks }) => remarks),
    failed: ends.flatMap((end) => (end.state === "succeeded" ? [] : [end.error.message])),
  };
}

async function report(task: Pick<LeasedTask, "dependencies">): Promise<string> {
  const summaries = await task.dependencies<Summary>();
  return summaries
    .flatMap((end) => {
      if (end.state !== "succeeded") return [`${end.key}: ${end.error.message}`];
      const { folder, files, lines, remarks, failed } = end.result;
      return [
        `${folder}: ${files} files, ${lines} lines`,
        ...remarks.map((remark) => `  ${remark}`),
        ...failed.map((one) => `  could not be reviewed: ${one}`),
      ];
    })
    .join("\n");
}

const pool = `review-${process.pid}`;
await using run = await heddle.runs.create({ name: "code review", limits: { pools: [pool], workers: 8 } });
const done = new AbortController();
const working = heddle.work({
  pool,
  concurrency: 8,
  drain: done.signal,
  run: (task) => {
    if (task.labels.kind === "file") return review(task);
    return task.labels.kind === "folder" ? summarise(task) : report(task);
  },
});

const groupOf = (name: string) => `files-of-${folders.indexOf(name)}`;
const common = { pool, on_dependency_failure: "run" } as const;
const reviews = files.map((file, at) => ({
  pool,
  key: `file-${at}`,
  title: file,
  labels: { kind: "file" },
  group: groupOf(dirname(file)),
  retries: { limit: 2, backoff_ms: 500 },
  instructions: file,
}));
const summaries = folders.map((name, at) => ({
  ...common,
  key: `folder-${at}`,
  title: name,
  labels: { kind: "folder" },
  after: [groupOf(name)],
  instructions: name,
}));
// Which of a folder's files fail is told in its summary, and nothing is cancelled for it.
const groups = Object.fromEntries(reviews.map(({ group }) => [group, { require: 1, on_failure: "continue" } as const]));
const last = { ...common, key: "report", after: summaries.map(({ key }) => key), instructions: "Write the report." };
const tasks = await run.tasks.create<string>([...reviews, ...summaries, last], { groups });
console.log(await tasks.at(-1)!.result());
done.abort();
await working;
