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

export class CommandExecution implements Execution {
  readonly verdict: Promise<Verdict>;
  #command: Command | undefined;
  #stopped = false;

  constructor(
    command: readonly string[],
    folder: CommandFolder,
    input: () => CommandInput | Promise<CommandInput>,
    verdictOf: (end: CommandEnd) => Verdict,
    telling: Telling,
  ) {
    this.verdict = this.#run(command, folder, input, verdictOf, telling);
  }

  stop(): void {
    this.#stopped = true;
    this.#command?.stop();
  }

  kill(): void {
    this.#stopped = true;
    this.#command?.kill();
  }

  async #run(
    command: readonly string[],
    folder: CommandFolder,
    input: () => CommandInput | Promise<CommandInput>,
    verdictOf: (end: CommandEnd) => Verdict,
    telling: Telling,
  ): Promise<Verdict> {
    try {
      const { stdin, files: texts, env } = await input();
      const files = await folder.write(texts);
      try {
        if (this.#stopped) return givenBack;
        this.#command = new Command(command, { ...env, ...files.env }, stdin, folder.guard);
        const report = new ReportFile(files.report, (ms) => telling.rateLimited(ms));
        return verdictOf(await report.during(this.#command.ended));
      } finally {
        await files.remove();
      }
    } catch (error) {
      return {
        ok: false,
        error: { code: "worker_failed", message: `The worker could not run the command: ${(error as Error).message}` },
        retryable: true,
      };
    }
  }
}
