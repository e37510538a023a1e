/** A variable's own part in an export and an import: what its object reads and writes. */

import { exportPieceChars } from "../../limits.ts";
import type { VariableIdentity, VariableStore } from "../../storage/variable/variable-store.ts";
import { VariableTransfer } from "../../storage/variable/variable-transfer.ts";
import { restoredHead } from "../../variables/restored.ts";
import type { VariableContents, VariablePart } from "../variable-rpc.ts";

/** Parts after the head, in their order; each is left out where there is nothing of it. */
type Place =
  | readonly ["entries", string]
  | readonly ["text"]
  | readonly ["fences"]
  | readonly ["answers", string, number];

export function exportPart(sql: SqlStorage, store: VariableStore, from: string | undefined): VariablePart {
  const { name, createdAt } = store.identity;
  if (from === undefined) return { head: store.head, createdAt, next: JSON.stringify(["entries", ""]) };
  const transfer = new VariableTransfer(sql, store);
  let place: Place | undefined = JSON.parse(from) as Place;
  while (place) {
    const [found, then] = partAt(transfer, store, place);
    const next = then && { next: JSON.stringify(then) };
    if (found) return { line: JSON.stringify({ of: name, ...found }), ...next };
    place = then;
  }
  return {};
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
