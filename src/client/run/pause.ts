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

/** Tells of each pause once. Answers are to come one after another: side by side, a late one would tell what was before. */
export class PauseWatch {
  readonly #run: string;
  readonly #options: TasksWaitOptions;
  #known: string | undefined;

  constructor(run: string, options: TasksWaitOptions) {
    this.#run = run;
    this.#options = options;
  }

  /** Somebody wants to know. */
  get isWanted(): boolean {
    return this.#options.onPaused !== undefined || this.#options.whenPaused === "throw";
  }

  /** What a poll was answered with. @throws RunPaused, and what `onPaused` throws */
  saw({ paused: reason }: Pick<WaitView, "paused">): void {
    if (reason === this.#known) return;
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
