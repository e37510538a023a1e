/** What a run's object has stored, read beside the server that has it open. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The value under a name of the run's table `meta`; undefined: none, or no such run. */
export function storedMeta(state: string, run: string, name: string): string | undefined {
  const folder = join(state, "v3/do/heddle-RunScheduler");
  for (const file of readdirSync(folder)) {
    if (!file.endsWith(".sqlite")) continue;
    const database = new DatabaseSync(join(folder, file), { readOnly: true, timeout: 5000 });
    try {
      if (!database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get()) continue;
      const read = database.prepare("SELECT value FROM meta WHERE name = ?");
      const value = (key: string) => read.get(key)?.value as string | undefined;
      if ((JSON.parse(value("identity") ?? "{}") as { run?: string }).run === run) return value(name);
    } finally {
      database.close();
    }
  }
  return undefined;
}
