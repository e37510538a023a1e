/** Where in a file something stands, for messages about it. */

import { UsageError } from "../usage.ts";

/** A message about a line of a file; lines count from 1. */
export const atLine = (from: string, line: number, what: string): UsageError =>
  new UsageError(`${from}, line ${line}: ${what}`, "run");

/** A path in a run's file: fields by name, elements by number. */
export type Path = readonly (string | number)[];

/** The line where the value at a path stands; undefined where it is not in the file. */
export type LineOf = (path: Path) => number | undefined;

/** A path as the server writes it, `tasks[2].labels["a b"]`, with its line behind it, or the line of what should have it. */
export function withLine(path: string, lineOf: LineOf): string {
  for (let steps = stepsOf(path); steps.length > 0; steps = steps.slice(0, -1)) {
    const line = lineOf(steps);
    if (line !== undefined) return `${path} (line ${line})`;
  }
  return path;
}

const stepsOf = (path: string): Path =>
  Array.from(path.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g), ([, index, quoted, name]) =>
    index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(quoted) as string) : name!,
  );
