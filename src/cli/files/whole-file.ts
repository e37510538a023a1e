/** Output into a file, or to stdout. A file appears under its name only when it is whole. */

import { once } from "node:events";
import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Writable } from "node:stream";
import type { Flag } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { unwritable } from "../json-input.ts";
import { onSignals } from "../signals.ts";
import { UsageError, type Values } from "../usage.ts";

export const outputFlags = {
  output: {
    value: "FILE",
    short: "o",
    names: "file",
    about: 'where to write it; without it, and for "-", to stdout',
  },
  force: { about: "write over a file that is there" },
} as const satisfies Record<string, Flag>;

/** The file to write; undefined: stdout. @throws UsageError when it is there already */
export function outputFile({ output, force }: Values): string | undefined {
  const file = typeof output === "string" && output !== "-" ? output : undefined;
  if (file === undefined && force)
    throw new UsageError("--force goes with --output FILE only: nothing is written over.");
  if (file !== undefined && statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw unwritable(file, Object.assign(new Error(), { code: "EISDIR" }));
  if (file !== undefined && !force && existsSync(file))
    throw new UsageError(`${file} is there already. Give --force to write over it.`);
  return file;
}

/**
 * Writes the pieces as they come; answers their bytes. What makes them fail leaves no file, and a signal, which ends the process, none
 * either. @throws UsageError where it can't be written
 */
export async function saveWhole(file: string | undefined, pieces: AsyncIterable<string | Uint8Array>): Promise<number> {
  try {
    return file === undefined ? await written(process.stdout, pieces) : await saved(file, pieces);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== undefined && code !== undefined && !/connect|read/.test(syscall))
      throw unwritable(file ?? "stdout", error as Error);
    throw error;
  }
}

async function saved(file: string, pieces: AsyncIterable<string | Uint8Array>): Promise<number> {
  const part = `${file}.part`;
  let isThere = false;
  // Half of a run's file may fill a disk, and nobody would miss it. Where it could not be opened nothing may be removable either.
  const remove = () => {
    if (isThere) rmSync(part, { force: true });
  };
  const stopListening = onSignals(() => {
    remove();
    process.exit(exitStatus.interrupted);
  });
  try {
    const stream = (await open(part, "w")).createWriteStream();
    isThere = true;
    const bytes = await written(stream, pieces);
    const closed = once(stream, "close");
    stream.end();
    await closed;
    renameSync(part, file);
    return bytes;
  } catch (error) {
    remove();
    throw error;
  } finally {
    stopListening();
  }
}

async function written(stream: Writable, pieces: AsyncIterable<string | Uint8Array>): Promise<number> {
  // It is asked for below, where it can be answered.
  stream.on("error", () => undefined);
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += Buffer.byteLength(piece);
    if (stream.errored) throw stream.errored;
    if (!stream.write(piece)) await once(stream, "drain");
  }
  return bytes;
}
