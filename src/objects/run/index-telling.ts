/** What the index of runs is told of this one: its status, its end, and when it may be deleted. */

import type { RunStatus } from "../../contract/shapes.ts";
import { indexSettledMs } from "../../limits.ts";
import { setRunStatus } from "../../storage/d1/run-index.ts";
import type { LoadedRun } from "./loaded-run.ts";

interface Around {
  readonly db: D1Database;
  readonly now: () => number;
  /** Sees to it that `tell` comes again when the word fails, and calls `forget` before. */
  readonly repeatable: (word: Promise<unknown>, forget: () => void) => void;
}

export class IndexTelling {
  readonly #around: Around;
  #told = "";
  /** What the index should say, and since when at the latest. */
  #status: { readonly shown: string; readonly since: number } | undefined;

  constructor(around: Around) {
    this.#around = around;
  }

  /** The run is another one, or none. */
  forget(): void {
    this.#told = "";
    this.#status = undefined;
  }

  /** Tells what has changed. */
  tell(run: LoadedRun): void {
    const { status, endedAt, changedAt, seq } = run.state.header;
    const { expiresAt } = run;
    // What an ended run logs nevertheless (another webhook, a longer retention) is to be metered too: it was metered to its end.
    const endSeq = endedAt > 0 ? seq : 0;
    const shown = `${status} ${endedAt} ${expiresAt} ${endSeq}`;
    if (this.#status?.shown !== shown) this.#status = { shown, since: this.#status ? this.#around.now() : changedAt };
    if (this.#told === shown) return;
    // The door has written that of a new run. Whether one that was reopened is known to be so, an object that is loaded anew can't tell: a
    // word that got lost with its memory would leave it among those that have ended, where no sweep comes by.
    const isKnown = this.#told === "" && status === "active" && !run.state.header.reopened;
    this.#told = shown;
    if (isKnown) return;
    const name = { tenant: run.tenant, id: run.id };
    const word = setRunStatus(this.#around.db, name, status, endedAt || null, expiresAt, endSeq);
    this.#around.repeatable(word, () => {
      this.#told = "unknown";
    });
  }

  /** Whether what the index has is wrong for longer than a word of ours may be under way. */
  isWrong(run: LoadedRun, indexed: RunStatus): boolean {
    if (!this.#status || run.state.header.status === indexed) return false;
    return this.#around.now() - this.#status.since >= indexSettledMs;
  }
}
