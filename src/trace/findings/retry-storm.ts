/** Many attempts fail within a short time: everybody tries again what cannot succeed now. */

import { duration } from "../../duration.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { percent, type RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax, type Thresholds } from "./thresholds.ts";

interface Ended {
  readonly at: number;
  readonly seq: number;
  readonly task: number;
  /** Undefined: it came to its end, or to a turn. */
  readonly code: string | undefined;
}

interface Storm {
  readonly from: number;
  to: number;
  failures: number;
  ended: number;
  readonly tasks: Set<number>;
  readonly codes: Map<string, number>;
  readonly evidence: number[];
}

export class RetryStorm implements Detector {
  readonly #limits: Thresholds["retryStorm"];
  /** Those that ended within the window. */
  #window: Ended[] = [];
  #failures = 0;
  readonly #storms: Storm[] = [];
  #open: Storm | undefined;

  constructor({ retryStorm }: Thresholds) {
    this.#limits = retryStorm;
  }

  event(event: TraceEvent): void {
    if (event.type === "attempt_ended") {
      // A restart of Heddle is nobody's to slow down for.
      if (event.why !== "held_back" && event.why !== "restart") this.#ended(event, event.error?.code ?? event.why);
    }
    if (event.type === "task_ended" && event.state === "succeeded") this.#ended(event, undefined);
  }

  #ended({ at, seq, task }: { at: number; seq: number; task: number }, code: string | undefined): void {
    const one: Ended = { at, seq, task, code };
    this.#window.push(one);
    if (code !== undefined) this.#failures++;
    const first = this.#window.findIndex((ended) => ended.at > at - this.#limits.windowMs);
    for (const gone of this.#window.splice(0, first)) if (gone.code !== undefined) this.#failures--;
    const storms =
      this.#failures >= this.#limits.failures && this.#failures >= this.#limits.share * this.#window.length;
    if (!storms) {
      this.#open = undefined;
      return;
    }
    if (!this.#open) {
      this.#open = {
        ...{ from: this.#window[0]!.at, to: at, failures: 0, ended: 0 },
        ...{ tasks: new Set(), codes: new Map(), evidence: [] },
      };
      this.#storms.push(this.#open);
      for (const earlier of this.#window.slice(0, -1)) count(this.#open, earlier);
    }
    count(this.#open, one);
  }

  finish(facts: RunFacts): Found[] {
    return this.#storms.map(({ from, to, failures, ended, tasks, codes, evidence }) => {
      const [[code] = [""]] = [...codes].sort((a, b) => b[1] - a[1]);
      const subjects = [...tasks].slice(0, subjectsMax);
      return {
        kind: "retry_storm",
        severity: "warning",
        subjects,
        evidence,
        message: `${failures} attempts of ${tasks.size} tasks failed within ${duration(to - from)} (${percent(failures / ended)} of those that ended), most of them with ${code}: ${facts.names(subjects, 3)}. Lower limits.workers until fewer are refused, give tasks a longer retries.backoff_ms, or pause the run until the provider or the workers are well again.`,
      };
    });
  }
}

function count(storm: Storm, { at, seq, task, code }: Ended): void {
  storm.to = at;
  storm.ended++;
  if (code === undefined) return;
  storm.failures++;
  storm.tasks.add(task);
  storm.codes.set(code, (storm.codes.get(code) ?? 0) + 1);
  if (storm.evidence.length < evidenceMax) storm.evidence.push(seq);
}
