/** JSON that a user wrote: read from a file or stdin, with the place of an error. */

import { readFileSync } from "node:fs";
import { jsonErrorAt, placeText } from "../context/json-position.ts";
import { UsageError } from "./usage.ts";

/** The text of a file, or of stdin for "-". */
export function readInput(path: string): string {
  try {
    const text = readFileSync(path === "-" ? 0 : path, "utf8");
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  } catch (error) {
    throw unreadable(path === "-" ? "stdin" : path, error as NodeJS.ErrnoException);
  }
}

/** What a user is told whose file could not be read. */
export const unreadable = (path: string, error: NodeJS.ErrnoException): UsageError =>
  new UsageError(
    `${path} can't be read: ${whyNot(error, { ENOENT: "there is no such file", EACCES: "it may not be read" })}.`,
  );

/** What a user is told whose file could not be written. */
export const unwritable = (path: string, error: NodeJS.ErrnoException): UsageError =>
  new UsageError(
    `${path} can't be written: ${whyNot(error, { ENOENT: "its folder is not there", EACCES: "it may not be written" })}.`,
  );

const whyNot = ({ code = "", message }: NodeJS.ErrnoException, words: Readonly<Record<string, string>>): string =>
  ({
    EISDIR: "it is a folder",
    ENOTDIR: "what it should be in is no folder",
    ENOSPC: "there is no room left",
    ...words,
  })[code] ?? message;

/** @throws UsageError with line and column */
export function parseInput(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const at = jsonErrorAt(text);
    const found = at >= text.length ? "it ends too early" : `unexpected ${JSON.stringify(text[at])}`;
    throw new UsageError(`${from} is not JSON: ${found} at ${placeText(text, at)}.`);
  }
}
