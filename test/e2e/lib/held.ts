/** What a run's log says of who held a lock or permits when. */

import type { EventView } from "../../../src/client/index.ts";

export interface Peaks {
  /** At once, at most. */
  readers: number;
  writers: number;
  /** Whether a writer ever held it together with anybody. */
  overlapped: boolean;
  grants: number;
  /** Who holds it at the log's end. */
  left: number;
}

export function lockPeaks(events: readonly EventView[], name: string): Peaks {
  const peaks: Peaks = { readers: 0, writers: 0, overlapped: false, grants: 0, left: 0 };
  const held = new Map<unknown, unknown>();
  for (const event of events.filter((one) => one.name === name)) {
    if (event.type === "lock_released") held.delete(event.token);
    if (event.type !== "lock_granted") continue;
    held.set(event.token, event.mode);
    const modes = [...held.values()];
    const writers = modes.filter((mode) => mode === "exclusive").length;
    peaks.grants++;
    peaks.writers = Math.max(peaks.writers, writers);
    peaks.readers = Math.max(peaks.readers, modes.length - writers);
    peaks.overlapped ||= writers > 0 && modes.length > 1;
  }
  return { ...peaks, left: held.size };
}

/** How much of a variable was taken at once: the highest and the lowest that there was, and what is left. */
export function levels(events: readonly EventView[], change: (event: EventView) => number) {
  let [level, highest, lowest] = [0, 0, 0];
  for (const event of events) {
    level += change(event);
    highest = Math.max(highest, level);
    lowest = Math.min(lowest, level);
  }
  return { highest, lowest, left: level };
}

export const permitsTaken = ({ type, permits }: EventView): number =>
  type === "permits_granted" ? Number(permits) : type === "permits_released" ? -Number(permits) : 0;

export const messagesHeld = ({ type, sizes, count }: EventView): number =>
  type === "messages_pushed" ? (sizes as number[]).length : type === "messages_popped" ? -Number(count) : 0;
