/** The index of runs, which lists show, against the runs themselves: each is told of the other, and the sweep has the last word. */

import type { RunRow, RunView } from "../../src/client/index.ts";
import type { World } from "../history.ts";
import type { Broken } from "./violation.ts";

/** A row is made a moment before its run, or longer where that was cut off: so not `created_at`. */
const fields = ["name", "status", "ended_at"] as const;

/** Whether the list says of a run what it says itself. */
export const isAsListed = (row: RunRow, run: RunView | undefined): boolean =>
  run !== undefined && fields.every((field) => row[field] === run[field]);

export function listedRules(world: World): { readonly run: string; readonly broken: Broken }[] {
  const listed = new Map(world.listed.map((row) => [row.id, row]));
  const broken: { run: string; broken: Broken }[] = [];
  for (const [run, row] of listed) {
    const found = world.found[run]?.run;
    if (!found)
      broken.push({
        ...{ run },
        broken: { sort: "lost", rule: "a run that is listed can be read", about: run, told: row, found: null },
      });
    else if (!isAsListed(row, found)) {
      const there = Object.fromEntries(fields.map((field) => [field, found[field]]));
      broken.push({
        ...{ run },
        broken: {
          sort: "wrong",
          rule: "the list says of a run what it says itself",
          about: run,
          told: row,
          found: there,
        },
      });
    }
  }
  for (const [run, { run: found }] of Object.entries(world.found))
    if (!listed.has(run))
      broken.push({
        ...{ run },
        broken: { sort: "lost", rule: "a run that can be read is listed", about: run, told: found.status, found: null },
      });
  return broken;
}
