/** A lock or a semaphore for which tasks wait far longer than it is held: they queue for it one behind the other. */

import { duration } from "../../duration.ts";
import { entryOf } from "../entry-of.ts";
import type { Span } from "../spans.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { isIdle, keepLongest, percent, type RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax, type Thresholds } from "./thresholds.ts";

interface Use {
  waitedMs: number;
  heldMs: number;
  grants: number;
  /** Grants that were waited for, the longest first. */
  readonly waits: { readonly seq: number; readonly task: number; readonly ms: number }[];
  /** Since when it is held, and how many holds of it there are: locks, or permits, which may be given back one by one. */
  since: number;
  held: number;
}

export class Contention implements Detector {
  readonly #limits: Thresholds["contention"];
  readonly #uses = new Map<string, Use>();
  /** Of all tasks, without waiting for a worker. */
  #taskMs = 0;

  constructor({ contention }: Thresholds) {
    this.#limits = contention;
  }

  span(span: Span): void {
    if (span.what === "activity" && !isIdle.has(span.kind)) this.#taskMs += span.to - span.from;
  }

  event(event: TraceEvent): void {
    if (event.type === "lock_granted" || event.type === "permits_granted") {
      const use = this.#use(event.name);
      use.grants++;
      if (use.held === 0) use.since = event.at;
      use.held += holdsOf(event);
      const ms = event.waited_ms ?? 0;
      use.waitedMs += ms;
      if (ms === 0) return;
      use.waits.push({ seq: event.seq, task: event.task, ms });
      if (use.waits.length > 4 * evidenceMax) keepLongest(use.waits);
    } else if (event.type === "lock_released" || event.type === "permits_released") {
      const use = this.#use(event.name);
      use.held -= holdsOf(event);
      if (use.held === 0) use.heldMs += event.at - use.since;
    }
  }

  #use(name: string): Use {
    return entryOf(this.#uses, name, () => ({ waitedMs: 0, heldMs: 0, grants: 0, waits: [], since: 0, held: 0 }));
  }

  finish(_facts: RunFacts, now: number): Found[] {
    const { waitedMs: leastMs, timesHeld, shareOfTime } = this.#limits;
    return Array.from(this.#uses).flatMap(([name, use]) => {
      const held = use.heldMs + (use.held > 0 ? now - use.since : 0);
      const share = use.waitedMs / Math.max(1, this.#taskMs);
      if (use.waitedMs < leastMs || use.waitedMs < timesHeld * held || share < shareOfTime) return [];
      keepLongest(use.waits);
      const busy = `It was granted ${use.grants} times and held for ${duration(held)} in all`;
      return {
        kind: "contention",
        severity: "warning" as const,
        subjects: [...new Set(use.waits.map(({ task }) => task))].slice(0, subjectsMax),
        evidence: use.waits.map(({ seq }) => seq).sort((a, b) => a - b),
        message: `Tasks waited ${duration(use.waitedMs)} for "${name}", ${percent(share)} of all their time. ${busy}, so they stood in line for it. Hold it for less (do slow work before acquiring, above all model calls), split it by what it protects, or let readers share it.`,
      };
    });
  }
}

const holdsOf = (event: TraceEvent): number => ("permits" in event ? event.permits : 1);
