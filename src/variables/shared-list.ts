/**
 * shared_list: JSON values by index, growing at its end.
 *
 * L1. Items of one `append` stand together, in their order.
 * L2. An index once given out always means the same item: nothing is removed.
 * L3. `slice` reads what it answers; it ends early at a page's bound and says where to go on.
 * L4. Versions: 1 when appended, one more at each `set`.
 */

import { collectionEntriesMax, pageRowsMax, variablePageBytesMax } from "../limits.ts";
import { type Decision, type Json, type Kind, refuse, type Stored } from "./kind.ts";
import type { SharedListOp } from "./ops.ts";
import { otherVersion } from "./shared-map.ts";

interface Head {
  readonly size: number;
  readonly [more: string]: Json;
}

/** Digits of the largest index: so the order of keys is the order of numbers. */
const digits = String(collectionEntriesMax).length;
export const keyOfItem = (index: number): string => String(index).padStart(digits, "0");

export const sharedList: Kind<Head, SharedListOp> = {
  initial: { size: 0 },
  reads: ["get", "slice", "size"],
  decide({ size }, stored, op): Decision<Head> {
    switch (op.op) {
      case "append":
        return append(size, op.items);
      case "get": {
        const { value, version } = (op.index >= 0 && stored.entry(keyOfItem(op.index))) || { value: null, version: 0 };
        return { answer: { result: { value, version } }, versions: { saw: version } };
      }
      case "slice":
        return { answer: { result: slice(size, stored, op.start, op.end) } };
      case "set":
        return set(size, stored, op);
      case "size":
        return { answer: { result: { size } } };
    }
  },
  show: ({ size }) => ({ size }),
};

function append(size: number, items: readonly Json[]): Decision<Head> {
  const grown = size + items.length;
  if (grown > collectionEntriesMax)
    return refuse("collection_full", `The list has ${size} items, and can have ${collectionEntriesMax} at most.`, {
      size,
    });
  return {
    answer: { result: { size: grown, index: size } },
    head: { size: grown },
    put: items.map((value, i) => [keyOfItem(size + i), { value, version: 1 }]),
  };
}

function set(size: number, stored: Stored, op: Extract<SharedListOp, { op: "set" }>): Decision<Head> {
  const entry = op.index >= 0 && op.index < size ? stored.entry(keyOfItem(op.index)) : undefined;
  if (!entry) return refuse("index_out_of_range", `There is no item ${op.index}.`, { size });
  const mismatch = otherVersion(entry, op.if_version);
  if (mismatch) return mismatch;
  const version = entry.version + 1;
  const put = [[keyOfItem(op.index), { value: op.value, version }]] as const;
  return { answer: { result: { version } }, put, versions: { saw: entry.version, made: version } };
}

/** As Array.slice: negative bounds count from the end, and bounds beyond it are the end. */
function slice(size: number, stored: Stored, start = 0, end = size): Json {
  const from = start < 0 ? Math.max(0, size + start) : Math.min(start, size);
  const to = end < 0 ? Math.max(0, size + end) : Math.min(end, size);
  const items: Json[] = [];
  let bytes = 0;
  for (const [, { value }] of from < to ? stored.from(keyOfItem(from)) : []) {
    items.push(value);
    bytes += JSON.stringify(value).length;
    if (from + items.length >= to || items.length >= pageRowsMax || bytes > variablePageBytesMax) break;
  }
  const next = from + items.length;
  return { items, start: from, next: next < to ? next : null, size };
}
