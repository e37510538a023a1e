/** How findings speak of accesses to variables. */

import type { VariableUse } from "../../scheduler/events.ts";
import type { Access } from "./places.ts";
import type { RunFacts } from "./run-facts.ts";

export const whoOf = (facts: RunFacts, { task }: Access): string =>
  task === 0 ? "somebody outside" : facts.name(task);

/** `"a" in "plan"`, `item 3 of "steps"`, `"notes"`. */
export function whereOf(name: string, key: string | number | undefined): string {
  if (key === undefined) return `"${name}"`;
  return typeof key === "number" ? `item ${key} of "${name}"` : `"${key}" in "${name}"`;
}

/** `, turn 2 (set)`. */
export const howOf = ({ use: { op, turn } }: Access): string =>
  turn === undefined ? ` (${op})` : `, turn ${turn} (${op})`;

/** What to use in place of a blind write, by the variable's kind. */
const carefully: Readonly<Record<string, string>> = {
  atomic: "use add or compare_and_set in place of get and set",
  shared_map: "write with if_version and on version_mismatch read again, or use increment for numbers",
  shared_list: "write with if_version and on version_mismatch read again, or append",
  shared_memory: "use edit or append, or write with if_version and on version_mismatch read again",
};

/** What would have kept them apart. `kind`: of the variable, where an op of its own would have as well. */
export function lockAdvice(facts: RunFacts, a: Access, b: Access, kind: string | undefined): string {
  const early = [a, b].find(({ released }) => released.length > 0);
  if (early)
    return `${whoOf(facts, early)} released "${early.released[0]}" in the same reply as its ${early.use.op}, and ops on data are carried out after the reply's other calls: release in the next reply, when the answer is there.`;
  const holder = [a, b].find(({ held }) => held.length > 0);
  const other = holder === a ? b : a;
  const careful = carefully[kind ?? ""];
  const or = careful ? `; or ${careful}` : "";
  if (holder && other.held.length === 0)
    return `${whoOf(facts, holder)} held lock "${holder.held[0]}" for it, ${whoOf(facts, other)} held none: let both acquire "${holder.held[0]}" from reading to writing${or}.`;
  return `Let both acquire one lock from reading to writing, or make one follow the other (after, await_tasks, a queue or a future)${or}.`;
}

export const keyOf = ({ key }: VariableUse): string | number => key ?? "";
