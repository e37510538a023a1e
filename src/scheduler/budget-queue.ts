/**
 * The tasks that are parked for tokens, in the order in which they were: a function of their phases. While something is reserved every
 * settlement looks at the first of them, and a run may have parked all of its tasks by then.
 */

export class BudgetQueue {
  /** Events that parked them, by task; in their order where `#isInOrder`. */
  #seqs = new Map<number, number>();
  #newest = 0;
  /** Tasks of a checkpoint come by their numbers. */
  #isInOrder = true;

  get size(): number {
    return this.#seqs.size;
  }

  has(n: number): boolean {
    return this.#seqs.has(n);
  }

  /** A task that is not there; `seq` is of the event that parked it. */
  add(n: number, seq: number): void {
    if (seq < this.#newest) this.#isInOrder = false;
    else this.#newest = seq;
    this.#seqs.set(n, seq);
  }

  delete(n: number): void {
    this.#seqs.delete(n);
  }

  clear(): void {
    this.#seqs.clear();
  }

  /** Whoever parked first. Tasks may leave meanwhile. */
  [Symbol.iterator](): Iterator<number> {
    if (!this.#isInOrder) {
      this.#seqs = new Map([...this.#seqs].sort(([, one], [, other]) => one - other));
      this.#isInOrder = true;
    }
    return this.#seqs.keys();
  }
}
