/** All findings of a log: those that the run logged as it went, and those that only the whole log shows. One fold, many detectors. */

import { type Span, Spans } from "../spans.ts";
import type { TraceEvent } from "../trace-event.ts";
import { BudgetBurn } from "./budget-burn.ts";
import { CacheMiss } from "./cache-miss.ts";
import { Contention } from "./contention.ts";
import { ExcessiveBranching } from "./excessive-branching.ts";
import type { Detector, Found } from "./found.ts";
import { HotVariable } from "./hot-variable.ts";
import { Leaked } from "./leaked.ts";
import { NeedsOperator } from "./needs-operator.ts";
import { Races } from "./races.ts";
import { RetryStorm } from "./retry-storm.ts";
import { RuledThresholds } from "./ruled-thresholds.ts";
import { RunFacts } from "./run-facts.ts";
import { Starvation } from "./starvation.ts";
import { Straggler } from "./straggler.ts";
import { UnderParallelism } from "./under-parallelism.ts";

export interface Finding extends Found {
  /** Of the event that completes it; the same for as long as it is not more. */
  readonly seq: number;
  readonly at: number;
  /** The run noticed it as it went. */
  readonly logged: boolean;
}

export class FindingsFold {
  readonly #facts: RunFacts;
  readonly #detectors: readonly Detector[];
  readonly #spans: Spans;
  readonly #logged: Finding[] = [];
  readonly #ruled = new RuledThresholds();

  constructor(taskId: (n: number) => string) {
    this.#facts = new RunFacts(taskId);
    const limits = this.#ruled.thresholds;
    this.#detectors = [
      new Starvation(limits),
      new Contention(limits),
      new Races(),
      new HotVariable(limits),
      new ExcessiveBranching(limits),
      new UnderParallelism(limits),
      new Straggler(limits),
      new RetryStorm(limits),
      new CacheMiss(limits),
      new BudgetBurn(limits),
      new Leaked(),
      new NeedsOperator(),
    ];
    this.#spans = new Spans({ span: (span) => this.#span(span) });
  }

  add(event: TraceEvent): void {
    this.#facts.add(event);
    this.#spans.add(event);
    if (event.type === "rules_set") this.#ruled.set(event);
    for (const detector of this.#detectors) detector.event?.(event);
    if (event.type !== "finding") return;
    const { seq, at, kind, severity, subjects, message, causes = [] } = event;
    this.#logged.push({ seq, at, kind, severity, subjects, message, evidence: [...causes, seq], logged: true });
  }

  #span(span: Span): void {
    for (const detector of this.#detectors) detector.span?.(span);
  }

  /** Logged ones first, in their order; then the others, in the order of their detectors. */
  finish(now: number): Finding[] {
    this.#spans.finish(now);
    const seen = this.#detectors
      .flatMap((detector) => detector.finish(this.#facts, now))
      .filter(({ kind }) => !this.#ruled.isOff(kind));
    return [
      ...this.#logged,
      ...seen.map((found) => ({ ...found, seq: found.evidence.at(-1) ?? 0, at: this.#facts.lastAt, logged: false })),
    ];
  }
}
