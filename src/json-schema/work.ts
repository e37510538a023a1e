/** How much a check may cost: counted in steps and not in time, so that it comes out the same wherever it runs. */

export class TooMuchWork extends Error {
  constructor() {
    super("to hold the result against it takes too long; make its patterns simpler, or the result shorter");
  }
}

export class Work {
  #left: number;

  constructor(stepsMax: number) {
    this.#left = stepsMax;
  }

  /** @throws TooMuchWork when they are used up */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TooMuchWork();
  }
}
