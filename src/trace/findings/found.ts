/** What a detector finds, and what it is given to find it. */

import type { Span } from "../spans.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Thresholds } from "./thresholds.ts";

export interface Found {
  readonly kind: string;
  readonly severity: "info" | "warning" | "error";
  /** Task numbers; those that matter most first. */
  readonly subjects: readonly number[];
  /** `seq` of the events that show it, in their order. */
  readonly evidence: readonly number[];
  /** What is wrong, how much it matters, and what to do about it. */
  readonly message: string;
}

/** Reads a log once. What it holds grows with tasks and variables, never with events. */
export interface Detector {
  event?(event: TraceEvent): void;
  span?(span: Span): void;
  /** `now`: until when what goes on is reckoned. */
  finish(facts: RunFacts, now: number): readonly Found[];
}

export type DetectorOf = (thresholds: Thresholds) => Detector;
