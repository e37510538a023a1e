/** A fan-out that only queues: its tasks wait for a worker several times as long as they work. */

import { duration } from "../../duration.ts";
import { entryOf } from "../entry-of.ts";
import type { Span } from "../spans.ts";
import type { Detector, Found } from "./found.ts";
import { median, type RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax, type Thresholds } from "./thresholds.ts";

interface Times {
  waited: number;
  worked: number;
}

export class ExcessiveBranching implements Detector {
  readonly #limits: Thresholds["branching"];
  readonly #times = new Map<number, Times>();

  constructor({ branching }: Thresholds) {
    this.#limits = branching;
  }

  span(span: Span): void {
    if (span.what !== "activity") return;
    const isWait = span.kind === "ready" || span.kind === "cache_warming";
    const isWork = span.kind === "model" || span.kind === "working" || span.kind === "tools";
    if (!isWait && !isWork) return;
    const times = entryOf(this.#times, span.facts.task, () => ({ waited: 0, worked: 0 }));
    times[isWait ? "waited" : "worked"] += span.to - span.from;
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(facts.siblings()).flatMap((tasks) => this.#finding(tasks, facts));
  }

  #finding(tasks: readonly number[], facts: RunFacts): Found[] {
    const worked = tasks.filter((n) => (this.#times.get(n)?.worked ?? 0) > 0);
    if (worked.length < this.#limits.tasks) return [];
    const times = worked.map((n) => this.#times.get(n)!);
    const wait = median(times.map(({ waited }) => waited));
    const work = median(times.map((one) => one.worked));
    const sum = times.reduce((all, { waited }) => all + waited, 0);
    if (wait < this.#limits.timesWork * work || sum < this.#limits.waitedMs) return [];
    const { parent, pool } = facts.tasks.get(worked[0]!)!;
    const by = parent > 0 ? `${facts.name(parent)} created` : "Posted together were";
    const where = pool === "hosted" ? `${facts.limits?.workers ?? "the run's"} seats` : `the workers of pool "${pool}"`;
    const longest = worked.toSorted((a, b) => this.#times.get(b)!.waited - this.#times.get(a)!.waited);
    return [
      {
        kind: "excessive_branching",
        severity: "warning",
        subjects: parent > 0 ? [parent, ...longest.slice(0, subjectsMax - 1)] : longest.slice(0, subjectsMax),
        evidence: facts.events(longest.slice(0, evidenceMax)),
        message: `${by} ${worked.length} tasks for ${where}: half of them waited ${duration(wait)} or longer for a worker, for ${duration(work)} of work. Give each task more of the work (${Math.ceil(worked.length / Math.max(1, Math.round(wait / Math.max(1, work))))} tasks would keep the workers as busy), or allow more workers.`,
      },
    ];
  }
}
