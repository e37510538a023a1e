/** A ready task that others keep overtaking. */

import { duration } from "../../duration.ts";
import { entryOf } from "../entry-of.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { median, type RunFacts } from "./run-facts.ts";
import { evidenceMax, type Thresholds } from "./thresholds.ts";

interface Wait {
  readonly task: number;
  readonly priority: number;
  readonly from: number;
  /** How long the run had been paused by then: a pause is nobody's overtaking. */
  readonly pausedMs: number;
  /** When it was started, or was ready no more; NaN: it still waits. */
  to: number;
  ms: number;
  started: boolean;
}

/** Waits of a pool that are looked at: the longest. */
const looked = 20;

export class Starvation implements Detector {
  readonly #limits: Thresholds["starvation"];
  readonly #byPool = new Map<string, Wait[]>();
  readonly #tasks = new Map<number, { readonly pool: string; readonly priority: number }>();
  /** Of tasks that are ready now. */
  readonly #open = new Map<number, Wait>();
  readonly #ended = new Set<number>();
  readonly #dependents = new Map<number, number[]>();
  /** Tasks with a logged reply: nothing that they depend on holds them back any more. */
  readonly #begun = new Set<number>();
  #pausedMs = 0;
  /** NaN: it is not paused. */
  #pausedSince = Number.NaN;

  constructor({ starvation }: Thresholds) {
    this.#limits = starvation;
  }

  event(event: TraceEvent): void {
    switch (event.type) {
      case "task_created":
        this.#tasks.set(event.task, { pool: event.pool, priority: event.priority });
        for (const n of event.after ?? []) entryOf(this.#dependents, n, () => []).push(event.task);
        // No event says that who depends on nothing that is live is ready.
        if ((event.after ?? []).every((n) => this.#ended.has(n))) this.#ready(event.task, event.at);
        return;
      case "task_ready":
        this.#ready(event.task, event.at);
        return;
      case "attempt_ended":
        if ((event.until ?? 0) <= event.at) this.#ready(event.task, event.at);
        return;
      case "task_retried":
        this.#ended.delete(event.task);
        if (!event.from) this.#begun.delete(event.task);
        else this.#ready(event.task, event.at);
        // Who was to begin with its result waits for the new one.
        for (const n of this.#dependents.get(event.task) ?? []) if (!this.#begun.has(n)) this.#drop(n);
        return;
      case "turn":
      case "context_compacted":
        this.#begun.add(event.task);
        return;
      case "run_paused":
        if (Number.isNaN(this.#pausedSince)) this.#pausedSince = event.at;
        return;
      case "run_resumed":
      case "run_ended":
        this.#pausedMs = this.#pausedUntil(event.at);
        this.#pausedSince = Number.NaN;
        return;
      case "task_started": {
        const wait = this.#open.get(event.task);
        if (wait) {
          this.#close(wait, event.at);
          wait.started = true;
        }
        this.#open.delete(event.task);
        return;
      }
      case "task_ended":
        this.#ended.add(event.task);
        this.#drop(event.task);
        return;
      case "task_held":
      case "task_fell_back":
        this.#drop(event.task);
        return;
      default:
    }
  }

  #ready(task: number, from: number): void {
    const known = this.#tasks.get(task);
    if (!known) return;
    this.#drop(task);
    const pausedMs = this.#pausedUntil(from);
    const wait = { task, priority: known.priority, from, pausedMs, to: Number.NaN, ms: 0, started: false };
    entryOf(this.#byPool, known.pool, () => []).push(wait);
    this.#open.set(task, wait);
  }

  /** It was not started, and is ready no more: nobody waited. */
  #drop(task: number): void {
    const wait = this.#open.get(task);
    if (wait) wait.to = wait.from;
    this.#open.delete(task);
  }

  #pausedUntil(at: number): number {
    return this.#pausedMs + (Number.isNaN(this.#pausedSince) ? 0 : at - this.#pausedSince);
  }

  #close(wait: Wait, at: number): void {
    wait.to = at;
    wait.ms = at - wait.from - (this.#pausedUntil(at) - wait.pausedMs);
  }

  finish(facts: RunFacts, now: number): Found[] {
    for (const wait of this.#open.values()) this.#close(wait, now);
    return Array.from(this.#byPool.values()).flatMap((waits) => {
      const middle = median(waits.map(({ ms }) => ms));
      const least = Math.max(this.#limits.waitMs, middle * this.#limits.timesMedian);
      return waits
        .filter(({ ms }) => ms >= least)
        .sort((a, b) => b.ms - a.ms)
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
        message: `${facts.name(wait.task)} was ready for ${duration(wait.ms)} while ${overtakers.length} tasks that became ready later were started; the median wait was ${duration(middle)}. ${why}`,
      },
    ];
  }
}
