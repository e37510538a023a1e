/** A task that works far longer than its siblings do. */

import { duration } from "../../duration.ts";
import type { Span } from "../spans.ts";
import type { Detector, Found } from "./found.ts";
import { median, type RunFacts } from "./run-facts.ts";
import type { Thresholds } from "./thresholds.ts";

const isWork = new Set(["model", "working", "tools", "lost", "retrying"]);

export class Straggler implements Detector {
  readonly #limits: Thresholds["straggler"];
  /** What each has worked in its newest generation: the work of those before it was done by a retry, and not by what the task is. */
  readonly #worked = new Map<number, { readonly generation: number; readonly ms: number }>();

  constructor({ straggler }: Thresholds) {
    this.#limits = straggler;
  }

  span(span: Span): void {
    if (span.what !== "activity") return;
    const { facts, generation, kind, from, to } = span;
    const known = this.#worked.get(facts.task);
    const isNewer = known !== undefined && known.generation < generation;
    if (isWork.has(kind))
      this.#worked.set(facts.task, { generation, ms: (known && !isNewer ? known.ms : 0) + to - from });
    else if (isNewer) this.#worked.delete(facts.task);
  }

  finish(facts: RunFacts): Found[] {
    const groups = facts.siblings((task) => this.#worked.has(task));
    return Array.from(groups).flatMap((tasks) => this.#findings(tasks, facts));
  }

  #findings(tasks: readonly number[], facts: RunFacts): Found[] {
    const { siblings, timesMedian, ms, shareOfSiblings } = this.#limits;
    if (tasks.length < siblings) return [];
    const middle = median(tasks.map((n) => this.#worked.get(n)!.ms));
    const late = tasks.filter((n) => {
      const worked = this.#worked.get(n)!.ms;
      return worked > timesMedian * middle && worked > middle + ms;
    });
    // Where many are that slow, siblings are of several kinds, and nobody straggles.
    if (late.length > shareOfSiblings * tasks.length) return [];
    return late.map((task) => {
      const live = facts.tasks.get(task)?.endedSeq === 0;
      return {
        kind: "straggler",
        severity: live ? ("warning" as const) : ("info" as const),
        subjects: [task],
        evidence: facts.events([task]),
        message: `${facts.name(task)} ${live ? "has worked" : "worked"} ${duration(this.#worked.get(task)!.ms)}, its ${tasks.length - 1} siblings ${duration(middle)} in the median. ${live ? "See what it does (its context shows each turn), and cancel or split it if it is lost." : "If it holds back what follows, split its part of the work, or start it first with a higher priority."}`,
      };
    });
  }
}
