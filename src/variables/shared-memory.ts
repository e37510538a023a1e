/**
 * shared_memory: one text with a version.
 *
 * T1. Every write that changes the text makes its version one more; 0 is the empty text that nobody has written.
 * T2. `edit` replaces `old` where it stands exactly once, by `new` as it is; otherwise nothing changes.
 * T3. `read` never parts a surrogate pair, and says where to go on when it ends early.
 */

import { memoryBytesMax, memoryReadCharsMax } from "../limits.ts";
import { type Decision, type Json, type Kind, refuse, type Stored } from "./kind.ts";
import type { SharedMemoryOp } from "./ops.ts";
import { placesOf } from "./places.ts";

interface Head {
  readonly version: number;
  /** UTF-16 units. */
  readonly length: number;
  readonly [more: string]: Json;
}

export const sharedMemory: Kind<Head, SharedMemoryOp> = {
  initial: { version: 0, length: 0 },
  reads: ["read"],
  decide(head, stored, op): Decision<Head> {
    if (op.op === "read")
      return { answer: { result: read(head, stored, op.from, op.to) }, versions: { saw: head.version } };
    if (op.op !== "append" && op.if_version !== undefined && op.if_version !== head.version) {
      const { version } = head;
      const refused = refuse("version_mismatch", `The version is ${version}, and not ${op.if_version}.`, { version });
      return { ...refused, versions: { saw: version } };
    }
    if (op.op === "write") return written(head, op.text);
    if (op.op === "append") return written(head, stored.text() + op.text);
    return edit(head, stored.text(), op.old, op.new);
  },
  show: ({ version, length }) => ({ version, length }),
};

function read({ version, length }: Head, stored: Stored, from = 0, to = length): Json {
  const text = stored.text();
  const start = wholeAt(text, Math.min(from, length));
  const wanted = Math.max(start, Math.min(to, length));
  let end = wholeAt(text, Math.min(wanted, start + memoryReadCharsMax));
  // A pair that is asked for by half is given whole, so that reading on always gets further.
  if (end <= start && wanted > start) end = Math.min(length, start + 2);
  const more = end < wanted ? { truncated: true, next: end } : {};
  return { text: text.slice(start, end), version, length, ...more };
}

/** The place itself, or the one before it where it would part a surrogate pair. */
function wholeAt(text: string, at: number): number {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff ? at - 1 : at;
}

function edit(head: Head, text: string, old: string, replacement: string): Decision<Head> {
  const [at, another] = placesOf(text, old, 2);
  if (at === undefined) return refuse("edit_no_match", "`old` does not stand in the text.", { version: head.version });
  if (another !== undefined) {
    return refuse("edit_not_unique", "`old` stands in the text more than once.", { version: head.version });
  }
  return written(head, text.slice(0, at) + replacement + text.slice(at + old.length));
}

function written({ version }: Head, text: string): Decision<Head> {
  if (new TextEncoder().encode(text).length > memoryBytesMax)
    return refuse("value_too_large", `The text would be over ${memoryBytesMax} bytes.`);
  const head = { version: version + 1, length: text.length };
  return { answer: { result: head }, head, text, versions: { saw: version, made: version + 1 } };
}
