/** What goes wrong in a world, and how often: each kind of fault is in some worlds and not in others, since they hide one another. */

import type { Random } from "../../random.ts";

const most = {
  /** Of a call: its request, its answer; or the object says that it is overloaded. */
  lostRequest: 0.04,
  lostAnswer: 0.06,
  overloaded: 0.03,
  /** A call or an answer takes seconds. */
  slow: 0.05,
  /** Of an operation on an object's storage: the object ends in it; or it is refused. */
  crashInside: 0.004,
  refused: 0.003,
  /** Of a moment (`World`): an object ends; all do, with the seats; seats do; a client or a pull worker does. */
  crash: 0.02,
  deploy: 0.002,
  seatsCrash: 0.006,
  workerCrash: 0.006,
  /** A clock is set, by minutes. */
  clockStep: 0.01,
  /** Of an alarm: it rings late, or twice, or is forgotten. */
  lateAlarm: 0.2,
  doubleAlarm: 0.1,
  lostAlarm: 0.03,
  /** Of a queue's message: it comes late, or twice; of a batch that is sent: it is refused. */
  lateMessage: 0.2,
  doubleMessage: 0.1,
  refusedBatch: 0.05,
  /** Of a message's delivery: its consumer ends before it has looked at it. */
  brokenBatch: 0.3,
  /** Of a model call: one of its faults. */
  provider: 0.25,
  /** Of a message to a webhook: it is not taken, or nobody hears that it was. */
  endpoint: 0.3,
  /** Of a worker's pause: it is longer than its lease. */
  zombie: 0.15,
  /** Of a visit of the cron sweep: it does not come. */
  lostSweep: 0.5,
  /** Of a statement of the run index: it fails. */
  index: 0.05,
};

export type FaultKind = keyof typeof most;

export class Faults {
  readonly #random: Random;
  readonly #rates: ReadonlyMap<FaultKind, number>;
  #isOn = true;
  /** How often each has happened. */
  readonly happened = new Map<FaultKind, number>();

  constructor(random: Random) {
    this.#random = random;
    const kinds = Object.keys(most) as FaultKind[];
    // One world in six is much worse than the others.
    const storm = random.chance(1 / 6) ? 4 : 1;
    const rate = (kind: FaultKind) => Math.min(0.7, most[kind] * storm * random.next());
    this.#rates = new Map(kinds.map((kind) => [kind, random.chance(0.6) ? rate(kind) : 0]));
  }

  get areOn(): boolean {
    return this.#isOn;
  }

  stop(): void {
    this.#isOn = false;
  }

  /** Whether it goes wrong this time. */
  strikes(kind: FaultKind): boolean {
    const rate = this.#rates.get(kind)!;
    if (!this.#isOn || rate === 0 || !this.#random.chance(rate)) return false;
    this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
    return true;
  }
}
