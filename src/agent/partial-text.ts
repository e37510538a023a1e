/**
 * What a model has said so far of the reply that it streams, sent to the run while somebody follows it.
 *
 * 1. Nothing is sent while nobody follows; whether somebody does comes with the run's answers.
 * 2. One piece at a time, and one in `partialEveryMs` at most: what comes meanwhile goes with the next.
 * 3. It is never waited for, and what gets lost is lost: the turn has it all.
 */

import { partialCharsMax, partialEveryMs } from "../limits.ts";
import type { PartialPiece } from "../objects/seat-rpc.ts";

export class PartialText {
  readonly #send: (piece: PartialPiece) => Promise<{ watched: boolean }>;
  #watched: boolean;
  #turn = 0;
  #text = "";
  #sent = 0;
  #sentAt = 0;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(watched: boolean, send: (piece: PartialPiece) => Promise<{ watched: boolean }>) {
    this.#watched = watched;
    this.#send = send;
  }

  /** Who comes to follow in the middle of a reply gets what there is of it. */
  set watched(watched: boolean) {
    this.#watched = watched;
    this.#schedule();
  }

  begin(turn: number): void {
    this.end();
    this.#turn = turn;
  }

  add(text: string): void {
    if (this.#text.length >= partialCharsMax) return;
    this.#text += text;
    this.#schedule();
  }

  /** The reply is whole, or there will be none. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#text = "";
    this.#sent = 0;
  }

  #schedule(): void {
    if (!this.#watched || this.#busy || this.#timer !== undefined || this.#sent === this.#text.length) return;
    this.#timer = setTimeout(() => void this.#flush(), Math.max(0, this.#sentAt + partialEveryMs - Date.now()));
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    const piece = { turn: this.#turn, offset: this.#sent, text: this.#text.slice(this.#sent) };
    this.#sent = this.#text.length;
    this.#sentAt = Date.now();
    this.#busy = true;
    try {
      this.#watched = (await this.#send(piece)).watched;
    } catch {
      // The run could not be reached; whether the lease still holds is the renewal's business.
    }
    this.#busy = false;
    this.#schedule();
  }
}
