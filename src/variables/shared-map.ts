/**
 * shared_map: JSON values by key.
 *
 * M1. Versions are counted over the whole map and never used twice, so a write with the version of an entry that was deleted
 *     meanwhile is refused, although the key is there again.
 * M2. `if_version` 0 means: only while the key is absent.
 * M3. `entries` goes through the keys in one order; a page reads what it answers and one entry more. An entry that is there
 *     all the while is seen exactly once.
 */

import { collectionEntriesMax, pageRowsDefault, variablePageBytesMax } from "../limits.ts";
import { type Decision, type Entry, type Json, type Kind, refuse, type Stored } from "./kind.ts";
import type { SharedMapOp } from "./ops.ts";
import { sumOf } from "./sum.ts";

interface Head {
  readonly size: number;
  /** The newest version of the map. */
  readonly version: number;
  readonly [more: string]: Json;
}

const absent: Entry = { value: null, version: 0 };

export const sharedMap: Kind<Head, SharedMapOp> = {
  initial: { size: 0, version: 0 },
  reads: ["get", "entries", "size"],
  decide(head, stored, op): Decision<Head> {
    switch (op.op) {
      case "get": {
        const { value, version } = stored.entry(op.key) ?? absent;
        return { answer: { result: { value, version } }, versions: { saw: version } };
      }
      case "set":
        return write(head, stored, op.key, op.if_version, () => ({ value: op.value }));
      case "increment":
        return write(head, stored, op.key, undefined, (entry) => increased(entry, op.delta));
      case "delete":
        return remove(head, stored, op.key, op.if_version);
      case "entries":
        return { answer: { result: page(stored, op) } };
      case "size":
        return { answer: { result: { size: head.size } } };
    }
  },
  show: ({ size, version }) => ({ size, version }),
};

type Written =
  | { readonly value: Json; readonly shown?: { readonly [field: string]: Json } }
  | { readonly refused: Decision<Head> };

function write(
  head: Head,
  stored: Stored,
  key: string,
  ifVersion: number | undefined,
  next: (entry: Entry | undefined) => Written,
): Decision<Head> {
  const entry = stored.entry(key);
  const mismatch = otherVersion(entry, ifVersion);
  if (mismatch) return mismatch;
  if (!entry && head.size >= collectionEntriesMax)
    return refuse("collection_full", `The map has ${collectionEntriesMax} keys, and can't take another.`);
  const written = next(entry);
  if ("refused" in written) return written.refused;
  const version = head.version + 1;
  return {
    answer: { result: { ...written.shown, version } },
    head: { size: head.size + (entry ? 0 : 1), version },
    put: [[key, { value: written.value, version }]],
    versions: { saw: entry?.version ?? 0, made: version },
  };
}

function increased(entry: Entry | undefined, delta: number): Written {
  const added = sumOf(entry?.value ?? 0, delta);
  return "sum" in added ? { value: added.sum, shown: { value: added.sum } } : { refused: added };
}

function remove(head: Head, stored: Stored, key: string, ifVersion: number | undefined): Decision<Head> {
  const entry = stored.entry(key);
  const mismatch = otherVersion(entry, ifVersion);
  if (mismatch) return mismatch;
  if (!entry) return { answer: { result: { deleted: false } }, versions: { saw: 0 } };
  const versions = { saw: entry.version, made: 0 };
  return { answer: { result: { deleted: true } }, head: { ...head, size: head.size - 1 }, remove: [key], versions };
}

/** The refusal of a write whose `if_version` is not the entry's. */
export function otherVersion(entry: Entry | undefined, ifVersion: number | undefined): Decision<never> | undefined {
  const { value, version } = entry ?? absent;
  if (ifVersion === undefined || ifVersion === version) return undefined;
  const refused = refuse("version_mismatch", `The version is ${version}, and not ${ifVersion}.`, { version, value });
  return { ...refused, versions: { saw: version } };
}

function page(
  stored: Stored,
  { prefix = "", limit = pageRowsDefault, cursor }: Extract<SharedMapOp, { op: "entries" }>,
): Json {
  const entries: Json[] = [];
  let bytes = 0;
  for (const [key, { value, version }] of stored.from(cursor ?? prefix)) {
    if (!key.startsWith(prefix)) break;
    // The cursor is the first key of the next page: whatever is written in between, no key comes twice.
    if (entries.length >= limit || bytes > variablePageBytesMax) return { entries, next_cursor: key };
    entries.push({ key, value, version });
    bytes += key.length + JSON.stringify(value).length;
  }
  return { entries, next_cursor: null };
}
