/** A variable's own part in an export and an import: what its object reads and writes. */

import { exportPageChars, exportPieceChars } from "../../limits.ts";
import type { VariableIdentity, VariableStore } from "../../storage/variable/variable-store.ts";
import { VariableTransfer } from "../../storage/variable/variable-transfer.ts";
import { restoredHead } from "../../variables/restored.ts";
import type { VariableContents, VariableLine, VariablePart } from "../variable-rpc.ts";

/** Parts after the head, in their order; each is left out where there is nothing of it. */
type Place =
  | readonly ["entries", string]
  | readonly ["text"]
  | readonly ["fences"]
  | readonly ["answers", string, number];

const firstPlace: Place = ["entries", ""];

/**
 * As much as one answer takes, read at once: what a variable has, and what calls were answered of it, must be of one moment, or a
 * call that is repeated in a copy gets its first answer where its effect is missing.
 */
export function exportPart(sql: SqlStorage, store: VariableStore, from: string | undefined): VariablePart {
  const { name, createdAt } = store.identity;
  const transfer = new VariableTransfer(sql, store);
  const lines: VariableLine[] = [];
  let chars = 0;
  let place: Place | undefined = from === undefined ? firstPlace : (JSON.parse(from) as Place);
  while (place && chars < exportPageChars) {
    const [found, then] = partAt(transfer, store, place);
    place = then;
    if (!found) continue;
    const line = JSON.stringify({ of: name, ...found });
    chars += line.length;
    lines.push({ line, ...(then && { next: JSON.stringify(then) }) });
  }
  const last = lines.pop();
  if (last) lines.push(place ? last : { line: last.line });
  if (from !== undefined) return { lines };
  return { head: store.head, createdAt, lines, ...(last && { next: JSON.stringify(firstPlace) }) };
}

function partAt(
  transfer: VariableTransfer,
  store: VariableStore,
  place: Place,
): [object | undefined, Place | undefined] {
  switch (place[0]) {
    case "entries": {
      const entries = transfer.entries(place[1], exportPieceChars);
      const last = entries.at(-1);
      return last ? [{ entries }, ["entries", last[0]]] : [undefined, ["text"]];
    }
    case "text": {
      const text = store.text();
      return [text === "" ? undefined : { text }, ["fences"]];
    }
    case "fences": {
      const fences = transfer.fences();
      return [fences.length > 0 ? { fences } : undefined, ["answers", "", 0]];
    }
    case "answers": {
      const answers = transfer.outcomes(place[1], place[2], exportPieceChars);
      const last = answers.at(-1);
      return last ? [{ answers }, ["answers", last.owner, last.slot]] : [undefined, undefined];
    }
  }
}

export const identityIn = ({ tenant, run, name, kind, createdAt }: VariableContents): VariableIdentity => ({
  tenant,
  run,
  name,
  kind,
  createdAt,
});

/** Call in a transaction. */
export function importContents(sql: SqlStorage, store: VariableStore, contents: VariableContents): void {
  const { head, entries, text, fences = [], answers = [] } = contents;
  const transfer = new VariableTransfer(sql, store);
  const nothing = { answer: { result: null } };
  if (head !== undefined) store.write({ ...nothing, head });
  if (text !== undefined) store.write({ ...nothing, text });
  if (entries) transfer.putEntries(entries);
  for (const [lock, token] of fences) store.putFence(lock, token);
  transfer.putOutcomes(answers, Date.now());
}

/** Call in a transaction. */
export function seal(sql: SqlStorage, store: VariableStore): boolean {
  const head = restoredHead(store.identity.kind, store.head, new VariableTransfer(sql, store).contents());
  if (head === undefined) return false;
  store.write({ answer: { result: null }, head });
  return true;
}
