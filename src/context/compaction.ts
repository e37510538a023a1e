/**
 * A task's transcript made shorter, for a model whose window it no longer fits.
 *
 * Owns: what stays, and the note that says what went. Does not own: when (the vendor's word), nor what a turn is (cut-last.ts).
 *
 * Invariants
 * - P1 It stays: leading system and developer messages, the first user message, the task's own fork with the reply that it
 *   answers, the newest turns, and whatever waits for a reply. All as they stood, in their order.
 * - P2 No call is parted from its result, so a transcript that kept the vendor's rules still keeps them.
 * - P3 The note is a user message of its own where the last gap is; there is one, and it tells of all gaps there ever were.
 * - P4 Each time something goes, or there is nothing left that may: repeating it comes to an end.
 */

import { assert } from "../errors/assert.ts";
import { roleOf, userMessage } from "./calls.ts";
import { firstUserOf, systemMessagesOf, turnEndsOf } from "./cut-last.ts";
import type { Format, MessageText } from "./types.ts";

export interface Gone {
  /** Messages. */
  readonly dropped: number;
  /** Of them, replies of the task's own. */
  readonly replies: number;
}

export interface Compactable {
  readonly messages: readonly MessageText[];
  /** Where the messages of the task's fork begin, and how many there are. */
  readonly own: number;
  readonly forkCount: number;
  /** The fork answers a call of the message before it. */
  readonly viaCall: boolean;
  /** What went before, as the note among the messages says; undefined: nothing, and there is no note. */
  readonly gone: Gone | undefined;
}

export interface Compacted {
  readonly messages: MessageText[];
  readonly own: number;
  /** The turns that were kept at most. */
  readonly last: number;
  /** What went this time. */
  readonly gone: Gone;
}

/** Cut to the newest `last` turns; where nothing goes, to half as many, and so on. Undefined when even one turn is all there is. */
export function compact(format: Format, input: Compactable, last: number): Compacted | undefined {
  for (let n = last; n >= 1; n = Math.floor(n / 2)) {
    const compacted = cutTo(format, input, n);
    if (compacted) return compacted;
  }
  return undefined;
}

function cutTo(format: Format, input: Compactable, last: number): Compacted | undefined {
  const { messages, own, forkCount, viaCall, gone } = input;
  const roles = messages.map(roleOf);
  const ends = turnEndsOf(format, messages);
  const from = ends.length > last ? ends[ends.length - last - 1]! : 0;
  const systemEnd = systemMessagesOf(format, messages).length;
  const firstUser = firstUserOf(format, messages);
  const [forkFrom, forkEnd] = [viaCall ? own - 1 : own, own + forkCount];
  const stays = (i: number) => i >= from || i < systemEnd || i === firstUser || (i >= forkFrom && i < forkEnd);
  const oldNote = gone && noteOf(format, gone);
  const leaves = messages.flatMap((message, i) => (stays(i) || message === oldNote ? [] : [i]));
  if (leaves.length === 0) return undefined;
  const now = {
    dropped: leaves.length,
    replies: leaves.filter((i) => i >= forkEnd && roles[i] === "assistant").length,
  };
  const note = noteOf(format, sumOf(gone, now));
  const gap = leaves.at(-1)! + 1;
  const kept = (start: number, end?: number) =>
    messages.slice(start, end).filter((message, i) => stays(start + i) && message !== oldNote);
  const before = kept(0, gap);
  const shorter = [...before, note, ...kept(gap)];
  const ownNow = own < gap ? kept(0, own).length : before.length + 1 + kept(gap, own).length;
  assert(shorter[ownNow] === messages[own], "the fork stays");
  return { messages: shorter, own: ownNow, last, gone: now };
}

export const sumOf = (before: Gone | undefined, now: Gone): Gone => ({
  dropped: (before?.dropped ?? 0) + now.dropped,
  replies: (before?.replies ?? 0) + now.replies,
});

const noteOf = (format: Format, { dropped, replies }: Gone): MessageText =>
  userMessage(
    format,
    `(Left out here, to fit the model's window: ${dropped} earlier ${dropped === 1 ? "message" : "messages"}, ${replies} of your own replies among them. What you were told to do, and your newest turns, stand as they were.)`,
  );

const notePattern =
  /^\(Left out here, to fit the model's window: (\d+) earlier messages?, (\d+) of your own replies among them\. What you were told to do, and your newest turns, stand as they were\.\)$/;

/** What a note says; undefined for any other text. */
export function findNote(text: string): Gone | undefined {
  const found = notePattern.exec(text);
  return found ? { dropped: Number(found[1]), replies: Number(found[2]) } : undefined;
}
