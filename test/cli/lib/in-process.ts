/** The command line in this process: a hundred of them take no time. */

import { vi } from "vitest";
import { runCli } from "../../../src/cli/cli.ts";
import type { Ended } from "./heddle.ts";

/** Runs one command line. Its streams are no terminals. */
export async function heddleHere(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      said[stream] += text;
      return true;
    });
  }
  try {
    const status = await runCli(args);
    return { status, ...said };
  } finally {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  }
}
