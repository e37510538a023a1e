/** `heddle export`: a run as a file. */

import { BrokenExport } from "../../client/errors.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { lineCounter } from "./line-counter.ts";
import { outputFile, outputFlags, saveWhole } from "./whole-file.ts";

export const exportCommand: Command = {
  name: "export",
  group: "Run",
  summary: "save a run as a file",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    ...outputFlags,
    json: {
      about: "at the end, what was written as one JSON object: on stdout, or on stderr when the file goes to stdout",
    },
  },
  ask: "Name one run.",
  about: `Saves the whole run as JSON lines: contexts, log, tasks and variables, without keys, leases or other secrets.
\`heddle import\` takes it in again, here or elsewhere. A run that goes on is saved as of one moment.`,
  more: `A file appears under its name only when it is whole.
Exit status: 0 saved; 1 refused, or the stream broke; 2 usage, or the file is there; 3 server not reached; 130 interrupted.
Example: heddle export run_… -o run.ndjson`,
  run: save,
};

async function save({ flags, words: [run] }: Given): Promise<number> {
  const file = outputFile(flags);
  const counter = lineCounter("lines saved");
  let lines = 0;
  async function* counted(all: AsyncIterable<string>): AsyncGenerator<string> {
    for await (const line of all) {
      counter.show(++lines);
      yield `${line}\n`;
    }
    counter.close();
  }
  try {
    const bytes = await saveWhole(file, counted((await reach()).exportRun(run!)));
    const { stdout, stderr } = process;
    if (flags.json)
      (file === undefined ? stderr : stdout).write(`${JSON.stringify({ run, file: file ?? null, lines, bytes })}\n`);
    else stderr.write(`${run}: ${lines} lines, ${bytes} bytes${file === undefined ? "" : ` in ${file}`}\n`);
    return exitStatus.ok;
  } catch (error) {
    if (!(error instanceof BrokenExport)) throw error;
    process.stderr.write(`heddle: ${error.message}. Nothing was kept; export again.\n`);
    return exitStatus.failed;
  }
}
