/**
 * Whose code runs: an object in memory, an isolate of seats, a client. Timers and calls belong to the process that made them,
 * and end with it: a process that is gone does nothing more, whatever it still waited for.
 */

import { AsyncLocalStorage } from "node:async_hooks";

export class Process {
  readonly name: string;
  isAlive = true;
  /** How far its machine's clock is ahead. */
  clockAhead = 0;
  /** Timers that have not rung. */
  timers = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Lets `message` leave at once; an object's waits until what it wrote is durable. */
  send(message: () => void): void {
    if (this.isAlive) message();
  }

  /** Runs `work` as this process; what it awaits later still does. */
  run<T>(work: () => T): T {
    return running.run(this, work);
  }
}

const running = new AsyncLocalStorage<Process>();
const nobody = new Process("nobody");

export const current = (): Process => running.getStore() ?? nobody;
