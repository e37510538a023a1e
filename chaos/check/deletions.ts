/** What became of runs that were deleted: they are nowhere, and what they had used stays on the bill. */

import type { World } from "../history.ts";
import { copiesOf, lengthOf } from "./copies.ts";
import { usageRules } from "./usage.ts";
import type { Broken } from "./violation.ts";

export function deletionRules(world: World): { readonly run: string; readonly broken: Broken }[] {
  const broken: { run: string; broken: Broken }[] = [];
  const copies = copiesOf(world);
  const logs = new Map(world.deleted.map((one) => [one.run, one]));
  for (const { run, act, outcome } of world.calls) {
    // One who was cut off asks again, and is told that there is no such run.
    if (act.kind !== "delete" || outcome.kind === "unknown") continue;
    const about = `${run} deleted`;
    if (world.listed.some(({ id }) => id === run) || world.found[run])
      broken.push({
        run,
        broken: { sort: "wrong", rule: "a deleted run is nowhere", about, told: outcome, found: world.found[run]?.run },
      });
    const ids = { run, of: copies.get(run) ?? run, from: lengthOf(world, run) };
    const { events = [], isLive = false } = logs.get(run) ?? {};
    // Of one that was at work, what was logged after somebody read it is billed too.
    for (const one of usageRules(world, ids, { events }))
      if (!isLive || one.sort !== "twice") broken.push({ run, broken: one });
  }
  return broken;
}
