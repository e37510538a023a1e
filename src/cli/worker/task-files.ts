/** Files through which commands get their tasks: in a folder that only this user can enter, gone when the worker is. */

import { mkdtempSync, rmSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TaskFiles {
  readonly task: string;
  readonly context: string;
  remove(): Promise<void>;
}

export class TaskFolder {
  readonly #path: string;
  #count = 0;

  constructor() {
    this.#path = mkdtempSync(join(tmpdir(), "heddle-work-"));
  }

  async write(task: string, context: string): Promise<TaskFiles> {
    const n = ++this.#count;
    const files = { task: join(this.#path, `${n}-task.json`), context: join(this.#path, `${n}-context.json`) };
    await Promise.all([
      writeFile(files.task, task, { mode: 0o600, flag: "wx" }),
      writeFile(files.context, context, { mode: 0o600, flag: "wx" }),
    ]);
    return {
      ...files,
      remove: async () => {
        await Promise.all([rm(files.task, { force: true }), rm(files.context, { force: true })]);
      },
    };
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
