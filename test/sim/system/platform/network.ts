/**
 * Calls between processes: they take time, and so may overtake one another. A call or its answer is lost as the platform
 * loses them: the caller gets an error, and can't tell whether it was carried out. Nothing is carried out twice by itself.
 */

import type { Random } from "../../random.ts";
import type { Faults } from "./faults.ts";
import { current } from "./process.ts";
import type { Timeline } from "./timeline.ts";

export class PlatformError extends Error {
  readonly retryable = true;
  readonly overloaded: boolean;

  constructor(message: string, overloaded = false) {
    super(message);
    this.overloaded = overloaded;
  }
}

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Reply {
  answer(value: unknown): void;
  fail(error: unknown): void;
}

export class Network {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #note: (text: string) => void;
  #calls = 0;

  constructor(timeline: Timeline, random: Random, faults: Faults, note: (text: string) => void) {
    this.#timeline = timeline;
    this.#random = random;
    this.#faults = faults;
    this.#note = note;
  }

  /** How long a message is under way. */
  delay(): number {
    return this.#faults.strikes("slow") ? this.#random.int(100, 8000) : this.#random.int(1, 15);
  }

  /** Calls a method of what `receive` reaches; settles as a call of the platform does. */
  call(to: string, call: Call, receive: (call: Call, reply: Reply) => void): Promise<unknown> {
    const caller = current();
    const name = `${++this.#calls} ${to}.${call.method}`;
    const sent = structuredClone(call);
    return new Promise((resolve, reject) => {
      const lose = (what: string, error: Error) => {
        this.#note(`${name} ${what}`);
        this.#timeline.plan(this.delay(), `error of ${name}`, () => caller.isAlive && reject(error));
      };
      const lost = () => new PlatformError("Network connection lost.");
      caller.send(() => {
        // It arrives though its caller may have ended by then.
        this.#timeline.plan(this.delay(), `call ${name} by ${caller.name}`, () => {
          if (this.#faults.strikes("lostRequest")) return lose("is lost", lost());
          if (this.#faults.strikes("overloaded"))
            return lose("is refused", new PlatformError("Durable Object is overloaded.", true));
          receive(sent, {
            answer: (value) => {
              const answer = structuredClone(value);
              if (this.#faults.strikes("lostAnswer")) return lose("is done, and its answer lost", lost());
              this.#timeline.plan(this.delay(), `answer of ${name}`, () => caller.isAlive && resolve(answer));
            },
            fail: (error) => lose(`fails: ${String(error)}`, error as Error),
          });
        });
      });
    });
  }
}
