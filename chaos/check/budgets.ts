/** What became of budgets: each new total counts once, none is passed but by a vendor's bill, and nobody fails for want of one. */

import type { EventView, TaskView } from "../../src/client/index.ts";
import type { FoundRun, World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import type { Broken } from "./violation.ts";

export function budgetRules(world: World, ids: RunIds, found: FoundRun): Broken[] {
  return [...raised(world, ids, found), ...overrun(found), ...unfunded(found)];
}

function raised(world: World, { run, from }: RunIds, { run: view, events }: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const times = new Map<unknown, number>();
  for (const { type, tokens } of events.slice(from))
    if (type === "limits_changed") times.set(tokens, (times.get(tokens) ?? 0) + 1);
  for (const { run: of, act, outcome, id } of world.calls) {
    if (of !== run || act.kind !== "budget") continue;
    const found = times.get(act.tokens) ?? 0;
    const about = `${act.tokens} tokens ${id}`;
    if (outcome.kind === "told" && found === 0)
      broken.push({ sort: "lost", rule: "a budget told is in the log", about, told: act.tokens, found });
    if (outcome.kind === "refused" && found > 0)
      broken.push({ sort: "wrong", rule: "a refused budget is not in the log", about, told: outcome.code, found });
    if (found > 1) broken.push({ sort: "twice", rule: "a budget is set once", about, told: 1, found });
  }
  const last = events.findLast(({ type }) => type === "limits_changed")?.tokens;
  if (last !== undefined && view.limits.tokens !== last)
    broken.push({
      ...{ sort: "lost", rule: "a run has the budget that was set last", about: view.id },
      ...{ told: last, found: view.limits.tokens },
    });
  return broken;
}

/**
 * What is spent and reserved never passes the budget, but for what calls were billed above what was reserved for them. A budget that
 * is set below what is reserved meanwhile is no overrun of theirs: it is told when the next one reserves.
 */
function overrun({ events }: FoundRun): Broken[] {
  const broken: Broken[] = [];
  let limit = budgetOf(events[0]);
  let spent = 0;
  const reserved = new Map<string, number>();
  for (const event of events) {
    const task = event.task ?? "";
    const usage = event.usage as TaskView["usage"] | undefined;
    if (usage) spent += usage.input_tokens + usage.output_tokens;
    if (event.type === "limits_changed") limit = (event.tokens as number | undefined) ?? 0;
    if (event.type === "tokens_reserved") {
      reserved.set(task, event.tokens as number);
      const all = spent + [...reserved.values()].reduce((sum, one) => sum + one, 0);
      if (limit > 0 && all > limit)
        broken.push({
          ...{ sort: "wrong", rule: "no call reserves what the budget has not", about: `event ${event.seq}` },
          ...{ told: limit, found: all },
        });
    } else if (settles.has(event.type)) reserved.delete(task);
  }
  return broken;
}

/** Only running tasks reserve, each for its next call. */
const settles: ReadonlySet<string> = new Set([
  ...["turn", "task_parked", "task_ready", "attempt_ended", "task_fell_back", "task_ended"],
]);

const budgetOf = (created: EventView | undefined): number =>
  (created?.limits as { tokens?: number | null } | undefined)?.tokens ?? 0;

function unfunded({ tasks }: FoundRun): Broken[] {
  return tasks
    .filter(({ error }) => error?.code === "budget_exhausted" || error?.code === "max_tokens")
    .map(({ id, error }) => ({
      ...{ sort: "wrong", rule: "nobody fails for want of a budget", about: id },
      ...{ told: "paused until it is raised", found: error },
    }));
}
