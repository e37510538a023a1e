/** Where in a file something stands, for messages about it. */

import { UsageError } from "../usage.ts";

/** A message about a line of a file; lines count from 1. */
export const atLine = (from: string, line: number, what: string): UsageError =>
  new UsageError(`${from}, line ${line}: ${what}\nSee: heddle help run`);
