/** Output that nobody reads any more, or that nothing takes: told in a line, if at all, and never as a stack. */

import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const full = "/dev/full";
const isFull = existsSync(full);

it.skipIf(!isFull)(`says that a full disk takes no more${isFull ? "" : " (left out: no /dev/full)"}`, () => {
  const stdout = openSync(full, "w");
  try {
    const args = [main, "--help"];
    const { status, stderr } = spawnSync(process.execPath, args, {
      stdio: ["ignore", stdout, "pipe"],
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([2, "heddle: stdout can't be written: there is no room left.\n"]);
  } finally {
    closeSync(stdout);
  }
});
