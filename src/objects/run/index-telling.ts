/**
 * What the index of runs is told of this one: its status, its end, when it may be deleted, and that it is quiet no more.
 *
 * I1. A live run that logs nothing for `meterQuietMs` may be noted as quiet, by the meter, which then passes it over. The first event after
 *     half of that silence is told, whether it was noted or not: the log alone says so, and clocks that differ by less do not matter. An
 *     object that has said that it is quiet tells its next event in any case.
 * I2. A word of that which is lost with the object's memory is found by the sweep, which compares the event up to which the run was quiet.
 */

import type { RunStatus } from "../../contract/shapes.ts";
import { indexSettledMs, meterQuietMs } from "../../limits.ts";
import { setRunAwake, setRunStatus } from "../../storage/d1/run-index.ts";
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

  /** The newest event that was looked at (I1), and its time. */
  #heard: { readonly seq: number; readonly at: number } | undefined;
  #hasSaidQuiet = false;
  #isWakeOwed = false;

  constructor(around: Around) {
    this.#around = around;
  }

  /** The run is another one, or none. */
  forget(): void {
    this.#told = "";
    this.#status = undefined;
    this.#heard = undefined;
    this.#hasSaidQuiet = false;
    this.#isWakeOwed = false;
  }

  /** As it was stored, before loading logs anything. */
  loaded({ state: { header } }: LoadedRun): void {
    this.#heard = { seq: header.seq, at: header.changedAt };
  }

  /** Nothing has been logged for a while. Who says so tells the next event (I1). */
  isQuiet({ state: { header } }: LoadedRun): boolean {
    const isQuiet = this.#around.now() - header.changedAt >= meterQuietMs;
    this.#hasSaidQuiet ||= isQuiet;
    return isQuiet;
  }

  /** Tells what has changed. */
  tell(run: LoadedRun): void {
    this.#tellAwake(run);
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

  /** An end says as much by itself. */
  #tellAwake({ tenant, id, state: { header } }: LoadedRun): void {
    const heard = this.#heard;
    this.#heard = { seq: header.seq, at: header.changedAt };
    if (heard && header.seq > heard.seq) {
      this.#isWakeOwed ||= this.#hasSaidQuiet || header.changedAt - heard.at >= meterQuietMs / 2;
      this.#hasSaidQuiet = false;
    }
    if (!this.#isWakeOwed || header.endedAt > 0) return;
    this.#isWakeOwed = false;
    this.#around.repeatable(setRunAwake(this.#around.db, { tenant, id }), () => {
      this.#isWakeOwed = true;
    });
  }

  /** Whether what the index has is wrong for longer than a word of ours may be under way. */
  isWrong(run: LoadedRun, indexed: RunStatus): boolean {
    if (!this.#status || run.state.header.status === indexed) return false;
    return this.#around.now() - this.#status.since >= indexSettledMs;
  }
}
