/** A run's counts per state, as people read them. */

import type { RunView, TaskState } from "../../client/replies.ts";

const order: readonly TaskState[] = [
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
  "running",
  "parked",
  "ready",
  "waiting",
];
const ended: readonly TaskState[] = ["succeeded", "failed", "cancelled", "skipped"];

export const totalOf = (counts: RunView["counts"]): number => Object.values(counts).reduce((sum, n) => sum + n, 0);
export const endedOf = (counts: RunView["counts"]): number =>
  ended.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

/** `12 succeeded, 3 running, 5 waiting` */
export const countsText = (counts: RunView["counts"]): string =>
  order
    .filter((state) => (counts[state] ?? 0) > 0)
    .map((state) => `${counts[state]} ${state}`)
    .join(", ") || "no tasks";

/** What somebody has to answer; "" where there is nothing, and from a server that does not know of it yet. */
export const questionsText = ({ id, questions = 0 }: Pick<RunView, "id"> & Partial<RunView>): string =>
  questions === 0 ? "" : `${questions} ${questions === 1 ? "waits" : "wait"} for an answer: heddle questions ${id}`;

export function bar(counts: RunView["counts"], width: number): string {
  const total = totalOf(counts);
  const filled = total === 0 ? 0 : Math.round((endedOf(counts) / total) * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
}
