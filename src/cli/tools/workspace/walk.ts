/** The files below a folder, in the order of their paths. Links are not followed; .git and node_modules are left out. */

import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";

const left = new Set([".git", "node_modules"]);

export interface Found {
  readonly path: string;
  /** Below the folder, with slashes. */
  readonly below: string;
  readonly isLink: boolean;
}

export function* filesBelow(folder: string, below = ""): Generator<Found> {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return; // gone meanwhile, or not for us
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const entry of entries) {
    const found = { path: join(folder, entry.name), below: `${below}${entry.name}`, isLink: entry.isSymbolicLink() };
    if (entry.isDirectory()) {
      if (!left.has(entry.name)) yield* filesBelow(found.path, `${found.below}/`);
    } else if (entry.isFile() || found.isLink) yield found;
  }
}
