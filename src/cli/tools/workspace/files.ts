/** Reading and writing text files of a workspace. */

import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { workspaceFileBytesMax } from "../../../limits.ts";
import type { Place, WorkspacePaths } from "./paths.ts";
import { Refusal, refusalOf } from "./refusal.ts";

/** No link is followed, and nothing waits for whoever writes to a pipe. Windows has neither. */
export const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The file's text, byte for byte. @throws Refusal for folders, devices, what is too large, and what is not UTF-8 text */
export async function readText(paths: WorkspacePaths, { path, shown }: Place): Promise<string> {
  const file = await open(path, readFlags).catch((error: unknown) => {
    throw refusalOf(error, shown);
  });
  try {
    const stats = await file.stat();
    requireFile(stats, shown);
    if (stats.size > workspaceFileBytesMax) throw tooLarge(shown, stats.size);
    if (!(await paths.isStill(path))) throw new Refusal("outside_workspace", `${shown} was moved meanwhile`);
    const bytes = await file.readFile();
    // It may have grown since.
    if (bytes.length > workspaceFileBytesMax) throw tooLarge(shown, bytes.length);
    return textOf(bytes, shown);
  } finally {
    await file.close();
  }
}

/**
 * Makes `text` the file's whole content, in one step: whoever reads it sees the old or the new one. Creates the folders that it
 * stands in; keeps the mode of a file that was there. Answers how many bytes were written.
 */
export async function writeText(paths: WorkspacePaths, place: Place, text: string): Promise<number> {
  const { path, shown } = place;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length > workspaceFileBytesMax) throw tooLarge(shown, bytes.length);
  paths.requireWritable(place);
  const folder = dirname(path);
  const temporary = join(folder, `.heddle-${randomUUID()}.tmp`);
  try {
    const before = place.exists ? await lstat(path) : undefined;
    if (before) requireFile(before, shown);
    await mkdir(folder, { recursive: true });
    await requireStill(paths, folder, shown);
    const file = await open(temporary, "wx", 0o666);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    if (before) await chmod(temporary, before.mode & 0o777);
    await requireStill(paths, folder, shown);
    await rename(temporary, path);
    return bytes.length;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw refusalOf(error, shown);
  }
}

async function requireStill(paths: WorkspacePaths, folder: string, shown: string): Promise<void> {
  if (!(await paths.isStill(folder)))
    throw new Refusal("outside_workspace", `the folder of ${shown} was moved meanwhile`);
}

function requireFile(stats: { isFile(): boolean; isDirectory(): boolean }, shown: string): void {
  if (stats.isDirectory()) throw new Refusal("not_a_file", `${shown} is a folder`);
  if (!stats.isFile()) throw new Refusal("not_a_file", `${shown} is a device, a pipe or a socket`);
}

const tooLarge = (shown: string, bytes: number): Refusal =>
  new Refusal("file_too_large", `${shown} has ${bytes} bytes; at most ${workspaceFileBytesMax} are read or written`);

function textOf(bytes: Buffer, shown: string): string {
  try {
    if (!bytes.includes(0)) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8.
  }
  throw new Refusal("binary_file", `${shown} is no UTF-8 text (${bytes.length} bytes)`);
}
