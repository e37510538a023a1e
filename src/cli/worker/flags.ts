/** The flags that `heddle work` and `heddle tools` share. */

import { hostname } from "node:os";
import { maxLoadPercentDefault, workConcurrencyMax } from "../../limits.ts";
import { UsageError, type Values, wholeNumber } from "../usage.ts";
import type { WorkerOptions } from "./worker.ts";

const secondsMax = 7 * 24 * 3600;

/** @throws UsageError for no name of a pool that pull workers may serve */
export function poolOf(command: string, flags: Values): string {
  const { pool } = flags;
  if (typeof pool !== "string") throw new UsageError("--pool is missing: the name of the pool to serve.", command);
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(pool))
    throw new UsageError(
      `--pool is "${pool}"; a pool's name is a lower-case letter, then up to 63 of a–z, 0–9, _ and -.`,
    );
  if (pool === "hosted") throw new UsageError('The pool "hosted" is served by Heddle itself. Use a pool of your own.');
  return pool;
}

export function workerOptionsOf(flags: Values): WorkerOptions {
  const concurrency = wholeNumber(flags, "concurrency", { min: 1, max: workConcurrencyMax, fallback: 1 });
  const idleSeconds = wholeNumber(flags, "until-idle", { min: 0, max: secondsMax });
  const maxLoad = wholeNumber(flags, "max-load", { min: 1, max: 100, fallback: maxLoadPercentDefault }) / 100;
  return {
    concurrency,
    worker: `${hostname()}:${process.pid}`.slice(-200),
    maxLoad,
    ...(idleSeconds !== undefined && { idleMs: idleSeconds * 1000 }),
  };
}
