/** Events that need no row of their own: they go into the log with the next step that has anything to log (see also variable-uses.ts). */

import type { SchedulerEvent } from "../../scheduler/events.ts";

type Make = () => SchedulerEvent;

export class OwedEvents {
  readonly #waiting = new Map<string, Make>();
  /** Those that are in the step under way. */
  #taken: readonly (readonly [string, Make])[] = [];

  /** `make`: as it is to be told when its time has come; in place of what was owed under this name. */
  set(name: string, make: Make | undefined): void {
    this.#waiting.delete(name);
    if (make) this.#waiting.set(name, make);
  }

  /** For a step that begins. They are owed until `logged`. */
  owed(): () => readonly SchedulerEvent[] {
    this.#taken = [];
    return () => {
      this.#taken = [...this.#waiting];
      return this.#taken.map(([, make]) => make());
    };
  }

  /** The step that took them, if it did, is written. */
  logged(): void {
    for (const [name, make] of this.#taken) if (this.#waiting.get(name) === make) this.#waiting.delete(name);
    this.#taken = [];
  }

  clear(): void {
    this.#waiting.clear();
    this.#taken = [];
  }
}
