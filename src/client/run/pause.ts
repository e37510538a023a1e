/** A run that is paused keeps whoever waits for its tasks waiting, for ever where nobody resumes it: they can be told. */

import type { WaitView } from "../replies.ts";
import type { CallOptions } from "../transport.ts";

/** That a run is paused, and what ends it. */
export interface Pause {
  /** The run's id. */
  readonly run: string;
  /** `asked`: by hand; `budget`, `quota`, `rule`: by what it may use; `imported`: it was live when it was exported. */
  readonly reason: string;
  /** What to do. */
  readonly hint: string;
}

/** What waits for tasks takes. */
export interface TasksWaitOptions extends CallOptions {
  /** Called within seconds of each pause of the run, once; the wait goes on. What it throws ends the wait. */
  readonly onPaused?: ((pause: Pause) => void) | undefined;
  /** `throw`: a pause ends the wait, with RunPaused. By default it goes on until somebody resumes the run. */
  readonly whenPaused?: "wait" | "throw" | undefined;
}

/** The run is paused, and what was waited for has not come. Nothing of the run is lost: wait again once it is resumed. */
export class RunPaused extends Error implements Pause {
  override readonly name = "RunPaused";
  /** The run's id. */
  readonly run: string;
  /** As in Pause. */
  readonly reason: string;
  /** What to do. */
  readonly hint: string;

  constructor({ run, reason, hint }: Pause) {
    super(`run ${run} is paused (${reason}): ${hint}`);
    this.run = run;
    this.reason = reason;
    this.hint = hint;
  }
}

/**
 * Tells of each pause once, whichever of several waits sees it first. Answers of requests that are under way side by side come in any
 * order: one whose request was made before the last change was heard of may tell what was before it, and is passed over. Its wait asks again.
 */
export class PauseWatch {
  readonly #run: string;
  readonly #options: TasksWaitOptions;
  #known: string | undefined;
  #changes = 0;

  constructor(run: string, options: TasksWaitOptions) {
    this.#run = run;
    this.#options = options;
  }

  /** Somebody wants to know. */
  get isWanted(): boolean {
    return this.#options.onPaused !== undefined || this.#options.whenPaused === "throw";
  }

  /** To be called when a request is made; what it answers takes what the request was answered with. @throws RunPaused, and what `onPaused` throws */
  asks(): (answer: Pick<WaitView, "paused">) => void {
    const changes = this.#changes;
    return ({ paused }) => {
      if (changes === this.#changes && paused !== this.#known) this.#changed(paused);
    };
  }

  #changed(reason: string | undefined): void {
    this.#changes++;
    this.#known = reason;
    if (reason === undefined) return;
    const pause = { run: this.#run, reason, hint: hints[reason] ?? resumed };
    this.#options.onPaused?.(pause);
    if (this.#options.whenPaused === "throw") throw new RunPaused(pause);
  }
}

const resumed = "It goes on when it is resumed: run.resume().";
const hints: Readonly<Record<string, string>> = {
  budget: "Its budget is used up; it goes on with a larger one: run.setBudget({ tokens }) or ({ usd }).",
  quota:
    "The tenant's tokens of the day are used up; it goes on by itself at the time that run.view() has in `quota`, or when the quota is raised.",
  rule: "One of its rules says so (run.rules()); it goes on when it is resumed: run.resume().",
};
