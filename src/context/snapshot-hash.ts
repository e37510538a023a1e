/**
 * Names a snapshot by what it is: SHA-256 over its parent's name and the bytes of the messages appended, cut to 128 bits.
 *
 * The input is a sequence of fields, each written as `length:bytes`, after a field that names the kind. So no two different
 * sequences give the same input: message boundaries count, an absent part differs from an empty one, and a head can
 * never collide with a child. Lengths are in UTF-16 units, which is as unambiguous as bytes and costs no second pass.
 */

import { createHash } from "node:crypto";
import type { SnapshotHash } from "../ids.ts";
import type { ContextHead, MessageText } from "./types.ts";

function digest(kind: string, fields: readonly string[]): SnapshotHash {
  const hash = createHash("sha256");
  for (const field of [kind, ...fields]) hash.update(`${field.length}:`).update(field, "utf8");
  return hash.digest("hex").slice(0, 32) as SnapshotHash;
}

/** The root of a tree: the same head, byte for byte, gives the same hash. */
export function headHash(head: ContextHead): SnapshotHash {
  const parts = [head.model, head.system, head.tools, head.params];
  // A lone surrogate has no UTF-8 form; `model` is the one part that is no JSON text received as UTF-8.
  const fields = parts.map((part, i) => (part === undefined ? "" : `=${i === 0 ? JSON.stringify(part) : part}`));
  return digest("heddle head", [head.format, ...fields]);
}

/** The snapshot that appends `messages` to `parent`. No messages give another name than the parent's, so no cycle. */
export function childHash(parent: SnapshotHash, messages: readonly MessageText[]): SnapshotHash {
  return digest("heddle child", [parent, ...messages]);
}
