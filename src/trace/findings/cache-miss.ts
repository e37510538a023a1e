/** Forks that paid for a prefix that a sibling had just written into the provider's cache. */

import type { Of, TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { percent, type RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax, type Thresholds } from "./thresholds.ts";

interface Lineage {
  readonly tokens: number;
  readonly model: string;
  /** When a task's call last read or wrote the prefix; 0: never. */
  warmAt: number;
  missedTokens: number;
  firstTurns: number;
  readonly misses: { readonly task: number; readonly seq: number }[];
}

export class CacheMiss implements Detector {
  readonly #limits: Thresholds["cacheMiss"];
  readonly #lineages = new Map<number, Lineage>();
  /** Lineages of tasks that have not had their first turn. */
  readonly #fresh = new Map<number, number>();
  /** When each attempt began, by task: a call that began before the prefix was warm could not read it. */
  readonly #startedAt = new Map<number, number>();

  constructor({ cacheMiss }: Thresholds) {
    this.#limits = cacheMiss;
  }

  event(event: TraceEvent): void {
    switch (event.type) {
      case "lineage_begun":
        this.#lineages.set(event.lineage, {
          tokens: event.tokens,
          model: event.model,
          warmAt: 0,
          missedTokens: 0,
          firstTurns: 0,
          misses: [],
        });
        return;
      case "task_created":
        if (event.lineage) this.#fresh.set(event.task, event.lineage);
        return;
      case "task_started":
        this.#startedAt.set(event.task, event.at);
        return;
      case "turn":
        this.#turn(event);
        return;
      default:
    }
  }

  #turn({ task, seq, at, usage, model_ms = 0 }: Of<"turn">): void {
    const lineage = this.#lineages.get(this.#fresh.get(task) ?? 0);
    if (!lineage || !this.#fresh.delete(task)) return;
    lineage.firstTurns++;
    const began = model_ms > 0 ? at - model_ms : (this.#startedAt.get(task) ?? at);
    const wasWarm = lineage.warmAt > 0 && began >= lineage.warmAt && began - lineage.warmAt < this.#limits.cacheMs;
    if (wasWarm && usage.read < this.#limits.shareRead * lineage.tokens && usage.in > 0) {
      lineage.missedTokens += Math.max(0, Math.min(lineage.tokens, usage.in) - usage.read);
      lineage.misses.push({ task, seq });
    }
    if (usage.read + usage.write >= lineage.tokens / 2) lineage.warmAt = at;
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(this.#lineages.values()).flatMap(({ tokens, model, missedTokens, firstTurns, misses }) => {
      if (missedTokens < this.#limits.missedTokens) return [];
      const tasks = misses.map(({ task }) => task);
      return {
        kind: "cache_miss",
        severity: "warning" as const,
        subjects: tasks.slice(0, subjectsMax),
        evidence: misses.slice(0, evidenceMax).map(({ seq }) => seq),
        message: `${misses.length} of ${firstTurns} forks (${percent(misses.length / firstTurns)}) paid for their prefix of ${tokens} tokens although a sibling had just written it into the cache of ${model}: ${facts.names(tasks, 3)}. ${missedTokens} tokens were read at the full price. See that nothing before the fork differs (system, tools, params, model), and that a gateway does not spread one prefix over several accounts.`,
      };
    });
  }
}
