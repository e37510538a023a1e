/** Files through which commands get their input: in a folder that only this user can enter, gone when the worker is. */

import { mkdtempSync, rmSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CommandFiles {
  /** Variables of the command's environment that name the files. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the command may report; there is nothing yet. */
  readonly report: string;
  remove(): Promise<void>;
}

export class CommandFolder {
  readonly #path: string;
  #count = 0;

  constructor() {
    this.#path = mkdtempSync(join(tmpdir(), "heddle-work-"));
  }

  /** Writes each text to a file that the variable of that name will name. */
  async write(texts: Readonly<Record<string, string>>): Promise<CommandFiles> {
    const n = ++this.#count;
    const report = join(this.#path, `${n}-report.jsonl`);
    const env: Record<string, string> = { HEDDLE_REPORT_FILE: report };
    for (const name of Object.keys(texts)) {
      const word = name.replace(/^HEDDLE_|_FILE$/g, "").toLowerCase();
      env[name] = join(this.#path, `${n}-${word}.json`);
    }
    await Promise.all(
      Object.entries(texts).map(([name, text]) => writeFile(env[name]!, text, { mode: 0o600, flag: "wx" })),
    );
    return {
      env,
      report,
      remove: async () => {
        await Promise.all(Object.values(env).map((path) => rm(path, { force: true })));
      },
    };
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
