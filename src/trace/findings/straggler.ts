/** A task that works far longer than its siblings do. */

import { duration } from "../../duration.ts";
import type { Span } from "../spans.ts";
import type { Detector, Found } from "./found.ts";
import { median, type RunFacts } from "./run-facts.ts";
import type { Thresholds } from "./thresholds.ts";

const isWork = new Set(["model", "working", "tools", "lost", "retrying"]);

export class Straggler implements Detector {
  readonly #limits: Thresholds["straggler"];
  readonly #worked = new Map<number, number>();

  constructor({ straggler }: Thresholds) {
    this.#limits = straggler;
  }

  span(span: Span): void {
    if (span.what !== "activity" || !isWork.has(span.kind)) return;
    this.#worked.set(span.facts.task, (this.#worked.get(span.facts.task) ?? 0) + span.to - span.from);
  }

  finish(facts: RunFacts): Found[] {
    const groups = new Map<string, number[]>();
    for (const { task, parent, pool } of facts.tasks.values()) {
      if (!this.#worked.has(task)) continue;
      const group = groups.get(`${parent} ${pool}`) ?? [];
      group.push(task);
      groups.set(`${parent} ${pool}`, group);
    }
    return Array.from(groups.values()).flatMap((tasks) => this.#findings(tasks, facts));
  }

  #findings(tasks: readonly number[], facts: RunFacts): Found[] {
    const { siblings, timesMedian, ms, shareOfSiblings } = this.#limits;
    if (tasks.length < siblings) return [];
    const middle = median(tasks.map((n) => this.#worked.get(n)!));
    const late = tasks.filter((n) => {
      const worked = this.#worked.get(n)!;
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
        message: `${facts.name(task)} ${live ? "has worked" : "worked"} ${duration(this.#worked.get(task)!)}, its ${tasks.length - 1} siblings ${duration(middle)} in the median. ${live ? "See what it does (its context shows each turn), and cancel or split it if it is lost." : "If it holds back what follows, split its part of the work, or start it first with a higher priority."}`,
      };
    });
  }
}
