/** The whole check of a chaos run: pure, from what clients were told and what is there. */

import type { FoundRun, World } from "../history.ts";
import { budgetRules } from "./budgets.ts";
import { copiesOf, importRules, lengthOf, mayBeGone, type RunIds, untoldCopies } from "./copies.ts";
import { deletionRules } from "./deletions.ts";
import { groupRules } from "./groups.ts";
import { listedRules } from "./listed.ts";
import { logRules } from "./log.ts";
import { taskRules } from "./tasks.ts";
import { tenantRules } from "./tenants.ts";
import { textRules } from "./texts.ts";
import { toolRules } from "./tools.ts";
import { usageRules } from "./usage.ts";
import { variableRules } from "./variables.ts";
import type { Broken, Violation } from "./violation.ts";
import { webhookRules } from "./webhooks.ts";
import { lifeRules, workRules } from "./work.ts";

export function check(world: World): Violation[] {
  const violations: Violation[] = [];
  const add = (run: string, broken: readonly Broken[]) => {
    for (const one of broken) violations.push({ ...one, run });
  };
  for (const call of world.calls) {
    if (call.act.kind === "create_run" && call.outcome.kind === "told") {
      const { id } = call.outcome.answer as { id: string };
      if (!world.found[id] && !mayBeGone(world, id))
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
  for (const { run, broken } of [...importRules(world), ...deletionRules(world), ...listedRules(world)])
    add(run, [broken]);
  const copies = copiesOf(world);
  for (const [id, found] of Object.entries(world.found)) {
    const ids = { run: id, of: copies.get(id) ?? id, from: lengthOf(world, id) };
    const isCopy = ids.of !== id;
    add(id, [
      ...statusRules(found, cancellationOf(world, ids)),
      ...taskRules(world, ids, found),
      ...textRules(world, id, found),
      ...logRules(world, ids, found),
      ...groupRules(world, ids, found),
      ...budgetRules(world, ids, found),
      ...toolRules(world, ids, found),
      ...workRules(world, ids, found),
      ...usageRules(world, ids, found),
      ...webhookRules(world, id, found, isCopy),
      // The data of a copy are its file's: what was told to others is in both.
      ...(isCopy ? [] : variableRules(world, id, found)),
    ]);
  }
  violations.push(...tenantRules(world));
  add("", lifeRules(world));
  for (const [name, ids] of namesakes(world, copies))
    add(ids[0]!, [
      { sort: "twice", rule: "a run asked for once is there once", about: name, told: ids[0], found: ids.slice(1) },
    ]);
  return violations;
}

/** Runs of one name, where they are more than one and the copies of it that somebody asked for. */
function namesakes(world: World, copies: ReadonlyMap<string, string>): [string, string[]][] {
  const byName = new Map<string, string[]>();
  for (const [id, { run }] of Object.entries(world.found))
    if (run.name !== null && !copies.has(id)) byName.set(run.name, [...(byName.get(run.name) ?? []), id]);
  return [...byName].filter(([, ids]) => ids.length > 1 + ids.reduce((sum, id) => sum + untoldCopies(world, id), 0));
}

/** Whether somebody was told that he has cancelled the run, or may have; a copy may be of before or after. */
function cancellationOf(world: World, { run, of }: RunIds): "told" | "unknown" | undefined {
  const kinds = world.calls
    .filter((call) => call.run === of && call.act.kind === "cancel_run")
    .map(({ outcome }) => outcome.kind);
  if (kinds.includes("told")) return run === of ? "told" : "unknown";
  return kinds.includes("unknown") ? "unknown" : undefined;
}

/** A run ends as its root does, as its tasks did, or as it was cancelled. */
function statusRules({ run, tasks, events }: FoundRun, cancelled: "told" | "unknown" | undefined): Broken[] {
  const rule = "a run ends as its tasks did";
  if (run.status === "active" || run.status === "paused")
    return [{ sort: "stuck", rule: "every run ends", about: run.id, told: null, found: run.counts }];
  if (cancelled && run.status === "cancelled") return [];
  if (cancelled === "told")
    return [{ sort: "lost", rule: "a run told cancelled is so", about: run.id, told: "cancelled", found: run.status }];
  const root = tasks.find(({ id }) => id === run.root);
  const observed = new Set(events.filter(({ type }) => type === "task_observed").map(({ task }) => task));
  const expected =
    root?.state ?? (tasks.some(({ id, state }) => state === "failed" && !observed.has(id)) ? "failed" : "succeeded");
  if (run.status === expected) return [];
  return [{ sort: "wrong", rule, about: run.id, told: expected, found: run.status }];
}
