/** The command, run once for a lease. */

import { Command, type CommandEnd } from "./command.ts";
import type { CommandFolder } from "./command-files.ts";
import type { Execution, Telling } from "./execution.ts";
import { ReportFile } from "./load/report-file.ts";
import { givenBack, type Verdict } from "./verdict.ts";

export interface CommandInput {
  readonly stdin: string;
  /** Texts by the variable that will name their file. */
  readonly files: Readonly<Record<string, string>>;
  /** What the command's environment has beside them. */
  readonly env: NodeJS.ProcessEnv;
}

/** Starts it once it has its `input`; `verdictOf`: what its end means. */
export function executionOf(
  command: readonly string[],
  folder: CommandFolder,
  input: () => CommandInput | Promise<CommandInput>,
  verdictOf: (end: CommandEnd) => Verdict,
  telling: Telling,
): Execution {
  let running: Command | undefined;
  let isStopped = false;
  async function run(): Promise<Verdict> {
    try {
      const { stdin, files: texts, env } = await input();
      const files = await folder.write(texts);
      try {
        if (isStopped) return givenBack;
        running = new Command(command, { ...env, ...files.env }, stdin, folder.guard);
        const report = new ReportFile(files.report, (ms) => telling.rateLimited(ms));
        return verdictOf(await report.during(running.ended));
      } finally {
        await files.remove();
      }
    } catch (error) {
      const message = `The worker could not run the command: ${(error as Error).message}`;
      return { ok: false, error: { code: "worker_failed", message }, retryable: true };
    }
  }
  return {
    verdict: run(),
    stop: () => {
      isStopped = true;
      running?.stop();
    },
    kill: () => {
      isStopped = true;
      running?.kill();
    },
  };
}
