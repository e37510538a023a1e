/** A point of a conversation that a run knows. */

import type { Heddle } from "../heddle.ts";
import type { ToolOutcome } from "../replies.ts";
import { type CallToEndOptions, outcomeOf } from "./call-to-end.ts";
import { Tasks } from "./tasks.ts";

/** A snapshot, and what can be done from there. */
export class ForkedContext {
  readonly #heddle: Heddle;
  readonly #run: string;
  /** Its hash. */
  readonly snapshot: string;
  /** Tasks created here fork this snapshot, wherever the run's head is meanwhile. */
  readonly tasks: Tasks;

  constructor(heddle: Heddle, run: string, snapshot: string) {
    this.#heddle = heddle;
    this.#run = run;
    this.snapshot = snapshot;
    this.tasks = new Tasks(heddle, run, snapshot);
  }

  /**
   * Carries out a tool call that the conversation's last message makes, to its end; forks then begin at exactly this call.
   * An error is an outcome, written for the model. The same call again gets the same answer.
   */
  call(
    tool: string,
    args: unknown,
    call_id: string,
    options: CallToEndOptions = {},
  ): Promise<Exclude<ToolOutcome, { pending: true }>> {
    const request = { arguments: args, call_id, snapshot: this.snapshot };
    return outcomeOf(this.#heddle, this.#run, tool, request, options);
  }
}
