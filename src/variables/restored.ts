/** The head of a variable whose contents came from a file: computed from what is there, and not believed. */

import { collectionEntriesMax } from "../limits.ts";
import type { Json } from "./kind.ts";
import type { DataKind } from "./ops.ts";
import { keyOfItem } from "./shared-list.ts";

/** What is stored beside the head. */
export interface Contents {
  readonly entries: number;
  readonly lastKey: string;
  readonly newestVersion: number;
  /** UTF-16 units of the text. */
  readonly textLength: number;
}

/** Undefined: these contents are none of this kind's. */
export function restoredHead(kind: DataKind, given: Json, contents: Contents): Json | undefined {
  const head =
    typeof given === "object" && given !== null && !Array.isArray(given) ? (given as Record<string, Json>) : {};
  const version = Number.isSafeInteger(head.version) && (head.version as number) >= 0 ? (head.version as number) : 0;
  const { entries, lastKey, newestVersion, textLength } = contents;
  if ((kind !== "shared_memory" && textLength > 0) || entries > collectionEntriesMax) return undefined;
  switch (kind) {
    case "atomic":
      return entries === 0 && head.value !== undefined
        ? { value: head.value, ...(version > 0 && { version }) }
        : undefined;
    case "shared_map":
      // Versions are never used twice (M1): one that was given out and deleted counts as well.
      return { size: entries, version: Math.max(version, newestVersion) };
    case "shared_list":
      return entries === 0 || lastKey === keyOfItem(entries - 1) ? { size: entries } : undefined;
    case "shared_memory":
      return entries === 0
        ? { version: textLength > 0 ? Math.max(version, 1) : version, length: textLength }
        : undefined;
  }
}
