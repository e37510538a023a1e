/** Which harnesses this machine has, and what they say of themselves. */

import { execFile } from "node:child_process";
import { doctorAttemptMs } from "../../limits.ts";
import { oneLine } from "../plain-text.ts";
import { isExecutable } from "../worker/find-command.ts";
import { harnessNames, recipeOf } from "../worker/harness/recipes.ts";

/** By name; undefined for those that are not on the PATH. Never throws. */
export async function installedHarnesses(): Promise<Record<string, string | undefined>> {
  const found = harnessNames.map(async (name) => [name, await versionOf(recipeOf(name).command)] as const);
  return Object.fromEntries(await Promise.all(found));
}

function versionOf(command: string): Promise<string | undefined> {
  if (!isExecutable(command, process.env)) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    execFile(command, ["--version"], { timeout: doctorAttemptMs, windowsHide: true }, (error, stdout) => {
      resolve(error ? "installed, but does not tell its version" : oneLine(stdout.trim()).slice(0, 60));
    });
  });
}
