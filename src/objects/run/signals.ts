/**
 * Long polls of one object: promises that a later commit, or their time, resolves. Volatile: a caller whose object is gone
 * gets an error and asks again.
 */

interface Waiter {
  readonly isOver: (ended: readonly number[]) => boolean;
  readonly resolve: () => void;
}

export class Signals {
  readonly #waiters = new Set<Waiter>();

  /** Resolves when `isOver` says so after a commit, or after `waitMs`. `isOver` gets the tasks that the commit ended. */
  wait(waitMs: number, isOver: (ended: readonly number[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter: Waiter = { isOver, resolve: done };
      const timer = setTimeout(done, waitMs);
      this.#waiters.add(waiter);
    });
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** To be called after each commit. */
  committed(ended: readonly number[]): void {
    for (const waiter of [...this.#waiters]) if (waiter.isOver(ended)) waiter.resolve();
  }

  /** Ends all waits: their callers look again. */
  releaseAll(): void {
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }
}
