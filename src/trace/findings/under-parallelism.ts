/** A long stretch in which one task at a time had a worker, while others waited for it and seats stood idle. */

import { duration } from "../../duration.ts";
import { entryOf } from "../entry-of.ts";
import type { ActivitySpan, Span } from "../spans.ts";
import type { Detector, Found } from "./found.ts";
import { percent, type RunFacts } from "./run-facts.ts";
import { subjectsMax, type Thresholds } from "./thresholds.ts";

interface Change {
  working: number;
  ready: number;
  waiting: number;
}

interface Stretch {
  readonly from: number;
  to: number;
  /** Of it, with a task at work: what lies between two tasks of a chain may be a pause, or somebody's answer. */
  ms: number;
  waiting: number;
}

const levelOf: Partial<Record<ActivitySpan["kind"], keyof Change>> = {
  model: "working",
  working: "working",
  lost: "working",
  // Somebody works for it, or it may not run: the run is not idle for want of parallel work.
  tools: "working",
  paused: "ready",
  ready: "ready",
  cache_warming: "ready",
  dependencies: "waiting",
};

export class UnderParallelism implements Detector {
  readonly #limits: Thresholds["underParallel"];
  readonly #changes = new Map<number, Change>();
  readonly #worked: { readonly task: number; readonly from: number; readonly to: number }[] = [];

  constructor({ underParallel }: Thresholds) {
    this.#limits = underParallel;
  }

  span(span: Span): void {
    if (span.what !== "activity") return;
    const level = levelOf[span.kind];
    if (!level) return;
    this.#change(span.from, level, 1);
    this.#change(span.to, level, -1);
    // Only these can be the one task of a long stretch.
    if (level === "working" && span.to - span.from >= this.#limits.ms / 20)
      this.#worked.push({ task: span.facts.task, from: span.from, to: span.to });
  }

  #change(at: number, level: keyof Change, by: number): void {
    entryOf(this.#changes, at, () => ({ working: 0, ready: 0, waiting: 0 }))[level] += by;
  }

  finish(facts: RunFacts): Found[] {
    const whole = facts.lastAt - facts.startedAt;
    const workers = facts.limits?.workers ?? 0;
    if (workers < this.#limits.workers) return [];
    const longest = this.#longest();
    const ms = longest?.ms ?? 0;
    if (!longest || ms < this.#limits.ms || ms < this.#limits.shareOfRun * whole) return [];
    const within = this.#worked
      .map(({ task, from, to }) => ({ task, ms: Math.min(to, longest.to) - Math.max(from, longest.from) }))
      .filter((one) => one.ms > 0);
    const byTask = new Map<number, number>();
    for (const one of within) byTask.set(one.task, (byTask.get(one.task) ?? 0) + one.ms);
    const chain = [...byTask].sort((a, b) => b[1] - a[1]).map(([task]) => task);
    // Nobody worked for long: there is no work to split.
    if (chain.length === 0) return [];
    return [
      {
        kind: "under_parallelism",
        severity: "info",
        subjects: chain.slice(0, subjectsMax),
        evidence: facts.events(chain.slice(0, subjectsMax)),
        message: `For ${duration(ms)} (${percent(ms / whole)} of the run) at most one task had a worker, of ${workers} that could, while ${longest.waiting} or more waited for it: ${facts.names(chain)}. Split that work, or drop a dependency (after, a reference) that is not needed; more workers gain nothing.`,
      },
    ];
  }

  /** The longest time with at most one task at work, none ready, and enough waiting. */
  #longest(): Stretch | undefined {
    const level: Change = { working: 0, ready: 0, waiting: 0 };
    let best: Stretch | undefined;
    let open: Stretch | undefined;
    let serialSince: number | undefined;
    for (const [at, { working, ready, waiting }] of [...this.#changes].sort((a, b) => a[0] - b[0])) {
      if (open && serialSince !== undefined) {
        open.ms += at - serialSince;
        open.to = at;
        if (!best || open.ms > best.ms) best = open;
      }
      level.working += working;
      level.ready += ready;
      level.waiting += waiting;
      const isSerial = level.working === 1 && level.ready === 0 && level.waiting >= this.#limits.waiting;
      // Between two tasks of a chain there is a moment with none at work and one that is just ready.
      const isBetween = level.working === 0 && level.waiting >= this.#limits.waiting;
      serialSince = isSerial ? at : undefined;
      if (isSerial) {
        open ??= { from: at, to: at, ms: 0, waiting: level.waiting };
        open.waiting = Math.min(open.waiting, level.waiting);
      } else if (!isBetween) open = undefined;
    }
    return best;
  }
}
