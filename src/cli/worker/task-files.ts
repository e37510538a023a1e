/**
 * Files through which commands get their tasks: in a folder that only this user can enter, gone when the worker is. What a
 * worker left that was killed together with its guard, the next one removes.
 */

import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isGone, type Owner, thisProcess } from "./owner.ts";

const prefix = "heddle-work-";
const ownerFile = "owner.json";

export interface TaskFiles {
  readonly task: string;
  readonly context: string;
  remove(): Promise<void>;
}

export class TaskFolder {
  readonly path: string;
  #count = 0;

  constructor() {
    removeStale(tmpdir());
    this.path = mkdtempSync(join(tmpdir(), prefix));
    writeFileSync(join(this.path, ownerFile), JSON.stringify(thisProcess()), { mode: 0o600 });
  }

  async write(task: string, context: string): Promise<TaskFiles> {
    const n = ++this.#count;
    const files = { task: join(this.path, `${n}-task.json`), context: join(this.path, `${n}-context.json`) };
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
    rmSync(this.path, { recursive: true, force: true });
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
