/** How findings speak of accesses to variables. */

import type { VariableUse } from "../../scheduler/events.ts";
import type { Access } from "./places.ts";
import type { RunFacts } from "./run-facts.ts";

export const whoOf = (facts: RunFacts, { task }: Access): string =>
  task === 0 ? "somebody outside" : facts.name(task);

/** `key "a" of "plan"`, `item 3 of "steps"`, `"notes"`. */
export function whereOf(name: string, key: string | number | undefined): string {
  if (key === undefined) return `"${name}"`;
  return typeof key === "number" ? `item ${key} of "${name}"` : `key "${key}" of "${name}"`;
}

/** ` (set, in its turn 2)`. */
export const howOf = ({ use: { op, turn } }: Access): string =>
  turn === undefined ? ` (${op})` : ` (${op}, in its turn ${turn})`;

/** What to use in place of a blind write, by the variable's kind. */
const carefully: Readonly<Record<string, string>> = {
  atomic: "use add or compare_and_set in place of get and set",
  shared_map: "write with if_version and on version_mismatch read again, or use increment for numbers",
  shared_list: "write with if_version and on version_mismatch read again, or append",
  shared_memory: "use edit or append, or write with if_version and on version_mismatch read again",
};

/** Which lock would have kept them apart, if a lock is what it needs. */
export function lockAdvice(facts: RunFacts, a: Access, b: Access, kind: string | undefined): string {
  const early = [a, b].find(({ released }) => released.length > 0);
  if (early)
    return `${whoOf(facts, early)} released "${early.released[0]}" in the same reply as its ${early.use.op}, and ops on data are carried out after the reply's other calls: release in the next reply, when the answer is there.`;
  const holder = [a, b].find(({ held }) => held.length > 0);
  const other = holder === a ? b : a;
  const careful = carefully[kind ?? ""];
  const or = careful ? `; or ${careful}` : "";
  if (holder && other.held.length === 0)
    return `${whoOf(facts, holder)} held lock "${holder.held[0]}" for it, ${whoOf(facts, other)} held none: let both acquire "${holder.held[0]}" around read and write${or}.`;
  return `Let both acquire one lock around read and write, or make one follow the other (after, await_tasks, a queue or a future)${or}.`;
}

export const keyOf = ({ key }: VariableUse): string | number => key ?? "";
