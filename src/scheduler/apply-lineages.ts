/** The part of `apply` that is about lineages: who reads a prefix first, since when it is cached, and what its tasks used. */

import { cacheTtlMs, lineagesMax } from "../limits.ts";
import type { EventOf, LineageTerms, UsageDelta } from "./events.ts";
import { findLineage, type Lineage } from "./lineage.ts";
import type { RunState } from "./state.ts";
import { lineageOf, type Task } from "./task.ts";

export function begin(state: RunState, event: EventOf<"lineage_begun">): void {
  const { header } = state;
  const { snapshot, model, tokens, cold, gain, automatic } = event;
  const terms: LineageTerms = { snapshot, model, tokens, cold, gain, ...(automatic && { automatic }) };
  const lineage: Lineage = {
    n: event.lineage,
    ...terms,
    begunAt: header.changedAt,
    openUntil: 0,
    warmer: 0,
    warmerFence: 0,
    holdUntil: 0,
    read: 0,
    write: 0,
    uncached: 0,
  };
  header.lineageCount = event.lineage;
  const others = header.lineages ?? [];
  const oldest = others.length < lineagesMax ? -1 : others.findIndex(({ warmer }) => warmer === 0);
  header.lineages = [...others.filter((_, i) => i !== oldest), lineage];
}

export function warm(state: RunState, event: EventOf<"cache_warming">): void {
  change(state, event.lineage, { warmer: event.task, warmerFence: event.fence, holdUntil: event.until });
}

export function release(state: RunState, { lineage, why }: EventOf<"cache_released">): void {
  const over = { warmer: 0, warmerFence: 0 };
  // Where the first reader is gone the next one takes its place, and the hold's end stays what it was.
  if (why === "gone") change(state, lineage, over);
  else change(state, lineage, { ...over, holdUntil: 0, openUntil: state.header.changedAt + cacheTtlMs });
}

/** A turn's tokens; the prefix is cached from then on where the vendor says that it is, or need not say. */
export function meter(state: RunState, task: Task, usage: UsageDelta): void {
  const lineage = findLineage(state, lineageOf(task));
  if (!lineage) return;
  const { in: input, read, write } = usage;
  // Half of it: what is known of the prefix is an estimate, and a small part of it (tools, say) is not the prefix.
  const cached = (lineage.automatic ? input : read + write) >= lineage.tokens / 2;
  change(state, lineage.n, {
    read: lineage.read + read,
    write: lineage.write + write,
    uncached: lineage.uncached + Math.max(0, input - read - write),
    // A first reader that is through need not be waited for, whatever its vendor tells.
    ...((cached || task.n === lineage.warmer) && { openUntil: state.header.changedAt + cacheTtlMs }),
  });
}

/** The changed lineage moves to the end: it was used last. */
function change(state: RunState, n: number, fields: Partial<Lineage>): void {
  const { header } = state;
  const before = findLineage(state, n);
  if (!before) return;
  const after = { ...before, ...fields };
  header.lineages = [...header.lineages!.filter((one) => one.n !== n), after];
  if (before.warmer !== after.warmer) state.hold(n, after.warmer > 0);
}
