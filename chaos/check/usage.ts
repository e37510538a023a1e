/** What the tenant was told that its runs have used: in the end the sums of their logs, and never more than that before. */

import type { EventView, TaskView } from "../../src/client/index.ts";
import type { FoundRun, World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import type { Broken } from "./violation.ts";

const tokens = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] as const;
const amounts = [...tokens, "model_calls", "tasks", "events"] as const;
type Amounts = Record<(typeof amounts)[number], number>;

export function usageRules(world: World, { run, from }: RunIds, found: Pick<FoundRun, "events">): Broken[] {
  const broken: Broken[] = [];
  const logged = sumsOf(found.events.slice(from));
  const told = world.used.filter((one) => one.run === run);
  const last = told.at(-1)?.row;
  for (const name of amounts) {
    const now = Number(last?.[name] ?? 0);
    const about = `${name} of ${run}`;
    if (now !== logged[name])
      broken.push({
        ...{ sort: now > logged[name] ? "twice" : "lost", rule: "what is billed is what was logged", about },
        ...{ told: now, found: logged[name] },
      });
    const most = Math.max(0, ...told.map(({ row }) => Number(row[name])));
    if (most > now) broken.push({ sort: "lost", rule: "what was billed stays billed", about, told: most, found: now });
  }
  return broken;
}

function sumsOf(events: readonly EventView[]): Amounts {
  const count = (of: string) => events.filter(({ type }) => type === of).length;
  const sum = (name: (typeof tokens)[number]) =>
    events.reduce((total, { usage }) => total + ((usage as TaskView["usage"] | undefined)?.[name] ?? 0), 0);
  return {
    input_tokens: sum("input_tokens"),
    output_tokens: sum("output_tokens"),
    cache_read_tokens: sum("cache_read_tokens"),
    cache_write_tokens: sum("cache_write_tokens"),
    model_calls: count("turn"),
    tasks: count("task_created"),
    events: events.length,
  };
}
