/**
 * Files through which commands get their input: in a folder that only this user can enter, gone when the worker is. What a
 * worker left that was killed together with its guard, the next one removes.
 */

import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../usage.ts";
import { Guard } from "./guard.ts";
import { isGone, type Owner, thisProcess } from "./owner.ts";

const prefix = "heddle-work-";
const ownerFile = "owner.json";

export interface CommandFiles {
  /** Variables of the command's environment that name the files. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the command may report; there is nothing yet. */
  readonly report: string;
  remove(): Promise<void>;
}

export class CommandFolder {
  /** Of the folder, and of the commands that get their input by it. */
  readonly guard: Guard;
  readonly #path: string;
  #count = 0;

  /** @throws UsageError where the platform's folder for temporary files takes none */
  constructor() {
    const parent = tmpdir();
    try {
      removeStale(parent);
      this.#path = mkdtempSync(join(parent, prefix));
      writeFileSync(join(this.#path, ownerFile), JSON.stringify(thisProcess()), { mode: 0o600 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(
        `${parent} takes no files for the commands (${code}). Set TMPDIR to a folder that you may write to.`,
      );
    }
    this.guard = new Guard(this.#path);
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

/** Removes this user's folders whose worker is surely gone; whatever it can't judge it leaves alone. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    try {
      const stat = lstatSync(path);
      if (!stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid)) continue;
      const owner = JSON.parse(readFileSync(join(path, ownerFile), "utf8")) as Owner;
      if (isGone(owner)) rmSync(path, { recursive: true, force: true });
    } catch {
      // Somebody else's, being made or removed at this moment, or from before folders named their owner.
    }
  }
}
