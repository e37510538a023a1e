/** The `heddle` command as a process, run from its sources. */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

const main = join(import.meta.dirname, "../../../src/cli/main.ts");

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class HeddleProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(
    args: readonly string[],
    {
      env = {},
      input = "",
      command = [process.execPath, main],
      cwd,
    }: { env?: Record<string, string>; input?: string; command?: readonly string[]; cwd?: string } = {},
  ) {
    this.child = spawn(command[0]!, [...command.slice(1), ...args], {
      env: { ...process.env, HEDDLE_API_KEY: "hdl_test", ...env },
      ...(cwd !== undefined && { cwd }),
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
    });
    this.child.stdin!.end(input);
    this.ended = new Promise((resolve) => {
      this.child.once("close", (status) => resolve({ status, stdout: this.stdout, stderr: this.stderr }));
    });
  }
}

export const heddle = (
  args: readonly string[],
  options?: { env?: Record<string, string>; input?: string },
): Promise<Ended> => new HeddleProcess(args, options).ended;

/** Resolves when `check` is true; the test's own time limit is the bound. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 10));
}
