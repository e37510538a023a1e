/** A ready task that others keep overtaking. */

import type { ActivitySpan, Span } from "../spans.ts";
import type { Detector, Found } from "./found.ts";
import { durationText, median, type RunFacts } from "./run-facts.ts";
import { evidenceMax, type Thresholds } from "./thresholds.ts";

interface Wait {
  readonly task: number;
  readonly priority: number;
  readonly from: number;
  readonly to: number;
  readonly started: boolean;
}

/** Waits of a pool that are looked at: the longest. */
const looked = 20;

export class Starvation implements Detector {
  readonly #limits: Thresholds["starvation"];
  readonly #byPool = new Map<string, Wait[]>();

  constructor({ starvation }: Thresholds) {
    this.#limits = starvation;
  }

  span(span: Span): void {
    if (span.what === "activity" && span.kind === "ready") this.#note(span);
  }

  #note({ facts: { task, pool, priority }, from, to, unfinished }: ActivitySpan): void {
    const waits = this.#byPool.get(pool) ?? [];
    waits.push({ task, priority, from, to, started: !unfinished });
    this.#byPool.set(pool, waits);
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(this.#byPool.values()).flatMap((waits) => {
      const middle = median(waits.map(({ from, to }) => to - from));
      const least = Math.max(this.#limits.waitMs, middle * this.#limits.timesMedian);
      return waits
        .filter(({ from, to }) => to - from >= least)
        .sort((a, b) => b.to - b.from - (a.to - a.from))
        .slice(0, looked)
        .flatMap((wait) => this.#finding(wait, waits, middle, facts));
    });
  }

  #finding(wait: Wait, waits: readonly Wait[], middle: number, facts: RunFacts): Found[] {
    const overtakers = waits.filter(({ from, to, started }) => started && from > wait.from && to < wait.to);
    if (overtakers.length < this.#limits.overtakers) return [];
    const higher = overtakers.filter(({ priority }) => priority > wait.priority).length;
    const why =
      higher * 2 > overtakers.length
        ? `${higher} of them had a higher priority than its ${wait.priority}: give it a higher one, or a pool of its own.`
        : "Few of them had a higher priority: see whether its pool has workers that take only some tasks.";
    const tasks = [wait.task, ...overtakers.map(({ task }) => task)].slice(0, evidenceMax);
    return [
      {
        kind: "starvation",
        severity: "warning",
        subjects: [wait.task],
        evidence: facts.events(tasks),
        message: `${facts.name(wait.task)} was ready for ${durationText(wait.to - wait.from)} while ${overtakers.length} tasks that became ready later were started; the median wait was ${durationText(middle)}. ${why}`,
      },
    ];
  }
}
