/** A variable with data on whose ops tasks spend their time: they are carried out one after another, or are refused and made again. */

import { duration } from "../../duration.ts";
import { entryOf } from "../entry-of.ts";
import type { Span } from "../spans.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { isIdle, keepLongest, percent } from "./run-facts.ts";
import { evidenceMax, subjectsMax, type Thresholds } from "./thresholds.ts";

interface Uses {
  ops: number;
  ms: number;
  /** Writes that name what they expect, and those of them that found something else. */
  checked: number;
  refused: number;
  readonly opsBy: Map<number, number>;
  /** The events with the most time, the longest first. */
  readonly slowest: { readonly seq: number; readonly ms: number }[];
}

export class HotVariable implements Detector {
  readonly #limits: Thresholds["hotVariable"];
  readonly #uses = new Map<string, Uses>();
  readonly #kinds = new Map<string, string>();
  /** Of all tasks, without waiting for a worker. */
  #taskMs = 0;
  #ops = 0;

  constructor({ hotVariable }: Thresholds) {
    this.#limits = hotVariable;
  }

  span(span: Span): void {
    if (span.what === "activity" && !isIdle.has(span.kind)) this.#taskMs += span.to - span.from;
  }

  event(event: TraceEvent): void {
    if (event.type === "variable_created") this.#kinds.set(event.name, event.kind);
    if (event.type !== "variables_used") return;
    for (const { name, op, task = 0, made, checked, times = 1, ms = 0 } of event.uses) {
      const uses = this.#usesOf(name);
      uses.ops += times;
      uses.ms += ms;
      this.#ops += times;
      uses.opsBy.set(task, (uses.opsBy.get(task) ?? 0) + times);
      if (checked || op === "compare_and_set") {
        uses.checked += times;
        if (made === undefined) uses.refused += times;
      }
      uses.slowest.push({ seq: event.seq, ms });
      if (uses.slowest.length > 4 * evidenceMax) keepLongest(uses.slowest);
    }
  }

  #usesOf(name: string): Uses {
    const none = { ops: 0, ms: 0, checked: 0, refused: 0 };
    return entryOf(this.#uses, name, () => ({ ...none, opsBy: new Map(), slowest: [] }));
  }

  finish(): Found[] {
    const { ms, shareOfTime, tasks, refused, shareRefused } = this.#limits;
    return Array.from(this.#uses).flatMap(([name, uses]) => {
      if (uses.opsBy.size < tasks) return [];
      const share = uses.ms / Math.max(1, this.#taskMs);
      const isSlow = uses.ms >= ms && share >= shareOfTime;
      const isContested = uses.refused >= refused && uses.refused >= shareRefused * uses.checked;
      if (!isSlow && !isContested) return [];
      keepLongest(uses.slowest);
      const users = [...uses.opsBy].sort((a, b) => b[1] - a[1]).map(([task]) => task);
      return [
        {
          kind: "hot_variable",
          severity: "warning" as const,
          subjects: users.filter((n) => n !== 0).slice(0, subjectsMax),
          evidence: [...new Set(uses.slowest.map(({ seq }) => seq))].sort((a, b) => a - b),
          message: `${this.#wordsOf(name, uses, isSlow ? share : undefined)} ${isContested ? contested : slow[this.#kinds.get(name) ?? ""]}`,
        },
      ];
    });
  }

  #wordsOf(name: string, { ops, opsBy, ms, checked, refused }: Uses, share: number | undefined): string {
    const all = `"${name}" had ${ops} ops of ${opsBy.size} callers, ${percent(ops / this.#ops)} of all on variables with data`;
    const waits = share === undefined ? "" : `, and they took ${duration(ms)}, ${percent(share)} of all tasks' time`;
    const again = refused > 0 ? `; ${refused} of ${checked} conditional writes were refused` : "";
    return `${all}${waits}${again}.`;
  }
}

const contested =
  "They read it again and tried again: let the op itself do the sum (atomic add, increment, append), hold a lock from reading to writing, or give each task a key of its own.";

/** Ops on one variable are carried out one after another. */
const slow: Readonly<Record<string, string>> = {
  "": "Ops on one variable are carried out one after another: use several variables.",
  atomic:
    "Ops on one variable are carried out one after another: add once with the sum of many, or count in several atomics and sum at the end.",
  shared_map:
    "Ops on one variable are carried out one after another: split it by key into several maps, and read with one entries in place of many gets.",
  shared_list:
    "Ops on one variable are carried out one after another: append many items at once, read with slice, or split it into several lists.",
  shared_memory:
    "Ops on one variable are carried out one after another: split the text by its parts, and read it less often.",
};
