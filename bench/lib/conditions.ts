/** What the machine could do when the numbers were taken: compare ratios within one run, never times across machines. */

import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { percentile } from "./stats.ts";

const steps = 50_000_000;
const syncs = 200;

export function conditions(): Record<string, unknown> {
  return {
    at: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model,
    load: loadavg()[0],
    calib_ms: calibration(),
    fsync_p50_ms: fsyncP50(),
  };
}

function calibration(): number {
  const start = performance.now();
  let x = 1;
  for (let i = 0; i < steps; i++) x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  // The sum is used, so that the loop is not left out.
  return x >= 0 ? performance.now() - start : 0;
}

function fsyncP50(): number {
  const folder = mkdtempSync(join(tmpdir(), "heddle-bench-fsync-"));
  const file = openSync(join(folder, "probe"), "w");
  const block = Buffer.alloc(4096);
  const took: number[] = [];
  for (let i = 0; i < syncs; i++) {
    const start = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    took.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
  return percentile(took, 50);
}
