/** The whole check of a chaos run: pure, from what clients were told and what is there. */

import type { FoundRun, World } from "../history.ts";
import { logRules } from "./log.ts";
import { taskRules } from "./tasks.ts";
import { textRules } from "./texts.ts";
import { variableRules } from "./variables.ts";
import type { Broken, Violation } from "./violation.ts";
import { webhookRules } from "./webhooks.ts";

export function check(world: World): Violation[] {
  const violations: Violation[] = [];
  const add = (run: string, broken: readonly Broken[]) => {
    for (const one of broken) violations.push({ ...one, run });
  };
  for (const call of world.calls) {
    if (call.act.kind === "create_run" && call.outcome.kind === "told") {
      const { id } = call.outcome.answer as { id: string };
      if (!world.found[id])
        add(id, [{ sort: "lost", rule: "a run told is there", about: call.id, told: id, found: null }]);
    }
    for (const answer of call.again) {
      const first = call.outcome.kind === "told" ? call.outcome.answer : null;
      if (JSON.stringify(answer) !== JSON.stringify(first))
        add(call.run, [
          {
            sort: "wrong",
            rule: "a repeat gets the first answer",
            about: `${call.act.kind} ${call.id}`,
            told: first,
            found: answer,
          },
        ]);
    }
  }
  const repeated = new Map<string, string>();
  for (const [id, found] of Object.entries(world.found)) {
    const other = found.run.name === null ? undefined : repeated.get(found.run.name);
    if (other !== undefined)
      add(id, [
        { sort: "twice", rule: "a run asked for once is there once", about: found.run.name!, told: other, found: id },
      ]);
    if (found.run.name !== null) repeated.set(found.run.name, id);
    add(id, [
      ...statusRules(found),
      ...taskRules(world, id, found),
      ...textRules(world, id, found),
      ...variableRules(world, id, found),
      ...logRules(world, id, found),
      ...webhookRules(world, id, found),
    ]);
  }
  return violations;
}

/** A run ends as its root does, or as its tasks did. */
function statusRules({ run, tasks, events }: FoundRun): Broken[] {
  const rule = "a run ends as its tasks did";
  if (run.status === "active" || run.status === "paused")
    return [{ sort: "stuck", rule: "every run ends", about: run.id, told: null, found: run.counts }];
  const root = tasks.find(({ id }) => id === run.root);
  const observed = new Set(events.filter(({ type }) => type === "task_observed").map(({ task }) => task));
  const expected =
    root?.state ?? (tasks.some(({ id, state }) => state === "failed" && !observed.has(id)) ? "failed" : "succeeded");
  if (run.status === expected) return [];
  return [{ sort: "wrong", rule, about: run.id, told: expected, found: run.status }];
}
