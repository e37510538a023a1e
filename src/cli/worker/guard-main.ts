/** The guard's process (guard.ts): waits for the end of its pipe, ends the commands that are left, removes the folder if it has one. */

import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { ProcessGroup } from "./process-group.ts";

const folder = process.argv[2];
const leaders = new Set<number>();
for await (const line of createInterface({ input: process.stdin })) {
  const leader = Number(line.slice(1));
  if (line.startsWith("+")) leaders.add(leader);
  else leaders.delete(leader);
}
await Promise.all([...leaders].map((leader) => new ProcessGroup(leader).end()));
if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
