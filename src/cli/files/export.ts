/** `heddle export`: a run as a file. */

import { once } from "node:events";
import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { BrokenExport } from "../../client/run-files.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { UsageError } from "../usage.ts";
import { lineCounter } from "./line-counter.ts";

export const exportCommand: Command = {
  name: "export",
  group: "Run",
  summary: "save a run as a file",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    output: {
      value: "FILE",
      short: "o",
      names: "file",
      about: 'where to write it; without it, and for "-", to stdout',
    },
    force: { about: "write over a file that is there" },
    json: {
      about: "at the end, what was written as one JSON object: on stdout, or on stderr when the file goes to stdout",
    },
  },
  ask: "Name one run.",
  about: `Saves the whole run as JSON lines: contexts, log, tasks and variables, without keys, leases or other secrets.
\`heddle import\` takes it in again, here or elsewhere. A run that goes on is saved as of one moment.`,
  more: `A file appears under its name only when it is whole.
Exit status: 0 saved; 1 refused, or the stream broke; 2 usage, or the file is there; 3 server not reached.
Example: heddle export run_… -o run.ndjson`,
  run: save,
};

async function save({ flags: { output, force, json }, words: [run] }: Given): Promise<number> {
  const file = typeof output === "string" && output !== "-" ? output : undefined;
  if (file !== undefined && !force && existsSync(file))
    throw new UsageError(`${file} is there already. Give --force to write over it.`);
  const lines = (await reach()).exportRun(run!);
  const part = file === undefined ? undefined : `${file}.part`;
  try {
    const stream = part === undefined ? process.stdout : (await open(part, "w")).createWriteStream();
    const written = await write(lines, stream);
    if (part !== undefined && file !== undefined) {
      await ended(stream);
      renameSync(part, file);
    }
    const { stdout, stderr } = process;
    if (json)
      (file === undefined ? stderr : stdout).write(`${JSON.stringify({ run, file: file ?? null, ...written })}\n`);
    else
      stderr.write(
        `${run}: ${written.lines} lines, ${written.bytes} bytes${file === undefined ? "" : ` in ${file}`}\n`,
      );
    return exitStatus.ok;
  } catch (error) {
    if (part !== undefined) rmSync(part, { force: true });
    return brokenOff(error);
  }
}

async function write(lines: AsyncIterable<string>, stream: Writable): Promise<{ lines: number; bytes: number }> {
  // It is asked for below, where it can be answered.
  stream.on("error", () => undefined);
  const counter = lineCounter("lines saved");
  let bytes = 0;
  let count = 0;
  for await (const line of lines) {
    bytes += Buffer.byteLength(line) + 1;
    counter.show(++count);
    if (stream.errored) throw stream.errored;
    if (!stream.write(`${line}\n`)) await once(stream, "drain");
  }
  counter.close();
  return { lines: count, bytes };
}

async function ended(stream: Writable): Promise<void> {
  const closed = once(stream, "close");
  stream.end();
  await closed;
}

function brokenOff(error: unknown): number {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof BrokenExport)
    process.stderr.write(`heddle: ${error.message}. Nothing was kept; export again.\n`);
  else if (syscall !== undefined && code !== undefined && !/connect|read/.test(syscall))
    throw new UsageError(`The file can't be written: ${(error as Error).message}`);
  else throw error;
  return exitStatus.failed;
}
