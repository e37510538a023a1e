/** The thread that looks through files (look.ts): tells what it finds as it goes, so that what was found before its end counts. */

import { closeSync, fstatSync, lstatSync, openSync, readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { workspaceFileBytesMax, workspaceLineCharsMax } from "../../../limits.ts";
import { readFlags } from "./files.ts";
import { globOf } from "./glob.ts";
import type { FoundLine, LookMessage, LookRequest } from "./look.ts";
import { Refusal } from "./refusal.ts";
import { type Found, filesBelow } from "./walk.ts";

const { start, shown, limit, glob, search } = workerData as LookRequest;
const tell = (message: LookMessage) => parentPort?.postMessage(message);

let count = 0;
let cut = false;
let skipped = 0;

function main(): void {
  const matches = glob === undefined ? () => true : globOf(glob);
  const hits = search && hitsOf(search.pattern, search.literal);
  for (const file of files()) {
    if (!matches(file.below)) continue;
    const path = shown === "" || file.below === "" ? shown + file.below : `${shown}/${file.below}`;
    const found = hits ? linesOf(file, path, hits) : [{ path }];
    const room = limit - count;
    cut = found.length > room;
    if (found.length > 0) tell({ found: found.slice(0, room) });
    count += found.length;
    if (cut) break;
  }
  tell({ done: { cut, skipped } });
}

function* files(): Generator<Found> {
  if (lstatSync(start).isDirectory()) yield* filesBelow(start);
  else yield { path: start, below: "", isLink: false };
}

/** Where in a line the pattern is; -1 where it is not. */
function hitsOf(pattern: string, literal: boolean): (line: string) => number {
  if (literal) return (line) => line.indexOf(pattern);
  const expression = new RegExp(pattern);
  return (line) => line.search(expression);
}

function linesOf(file: Found, path: string, hits: (line: string) => number): FoundLine[] {
  if (file.isLink) return [];
  const text = textOf(file.path);
  if (text === undefined) {
    skipped++;
    return [];
  }
  const found: FoundLine[] = [];
  for (const [i, ended] of text.split("\n").entries()) {
    const line = ended.replace(/\r$/, "");
    const at = hits(line);
    if (at < 0) continue;
    found.push({ path, line: i + 1, text: around(line, at) });
    if (found.length > limit) break;
  }
  return found;
}

function textOf(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, readFlags);
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > workspaceFileBytesMax) return undefined;
    const bytes = readFileSync(file);
    return bytes.includes(0) ? undefined : bytes.toString("utf8");
  } catch {
    return undefined; // gone meanwhile, or not for us
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** As much of a long line as shows what was found. */
function around(line: string, at: number): string {
  if (line.length <= workspaceLineCharsMax) return line;
  const from = Math.max(0, at - workspaceLineCharsMax / 4);
  return `${from > 0 ? "…" : ""}${line.slice(from, from + workspaceLineCharsMax)}…`;
}

try {
  main();
} catch (error) {
  const { message } = error as Error;
  if (error instanceof Refusal) tell({ refused: { code: "bad_arguments", message } });
  else if (error instanceof SyntaxError) tell({ refused: { code: "bad_pattern", message } });
  else throw error;
}
