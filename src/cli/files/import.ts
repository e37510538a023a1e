/** `heddle import`: a run from a file. */

import { createReadStream } from "node:fs";
import { BrokenExport } from "../../client/errors.ts";
import { checkedLines, linesOf } from "../../client/run-files.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { unreadable } from "../json-input.ts";
import { UsageError } from "../usage.ts";
import { lineCounter } from "./line-counter.ts";

export const importCommand: Command = {
  name: "import",
  group: "Run",
  summary: "take a run in from a file",
  words: [{ name: "FILE", names: "file" }],
  flags: { json: { about: "the run as one JSON object on stdout" } },
  ask: "Name one file.",
  about: `Makes a new run from a file that \`heddle export\` has saved, of this deployment or another, and prints its id.
Tasks keep their ids. A run that had ended is there to be read; one that was live is paused until \`heddle resume\`.`,
  more: `The file is checked before anything is sent, and by the server while it is taken in. Nothing of it is kept unless all is.
Exit status: 0 taken in; 1 refused; 2 usage, or the file can't be read or is not whole; 3 server not reached.
Example: heddle import run.ndjson`,
  run: take,
};

async function take({ flags: { json }, words: [file] }: Given): Promise<number> {
  const lines = await checked(file!);
  const heddle = await reach();
  const counter = lineCounter(`of ${lines} lines sent`);
  const run = await heddle.importRun(readLines(file!), { progress: (count) => counter.show(count) });
  counter.close();
  if (json) process.stdout.write(`${JSON.stringify(run)}\n`);
  else {
    process.stdout.write(`${run.id}\n`);
    const more = run.status === "paused" ? `; go on with: heddle resume ${run.id}` : "";
    process.stderr.write(`${run.name ?? run.id} is ${run.status}${more}\n`);
  }
  return exitStatus.ok;
}

const readLines = (file: string): AsyncGenerator<string, void, void> => linesOf(createReadStream(file));

/** The lines as they are. @throws UsageError where the first is not what every export begins with: then it is another kind of file */
async function* exported(file: string, lines: AsyncIterable<string>): AsyncGenerator<string, void, void> {
  let isFirst = true;
  for await (const line of lines) {
    if (isFirst && !/^\s*\{\s*"heddle_export"/.test(line))
      throw new UsageError(
        `${file} is no file that heddle export has saved. One with tasks to do is for: heddle run FILE`,
      );
    isFirst = false;
    yield line;
  }
}

/** How many lines there are. @throws UsageError for a file that is not whole */
async function checked(file: string): Promise<number> {
  let count = 0;
  try {
    for await (const _ of checkedLines(exported(file, readLines(file)))) count++;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof BrokenExport) throw new UsageError(`${file}: ${error.message}. Nothing was sent.`);
    if (error instanceof TypeError) throw new UsageError(`${file} is not UTF-8, and so no run's file.`);
    throw unreadable(file, error as Error);
  }
  return count;
}
