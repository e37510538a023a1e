/**
 * Lease requests that wait at a gate, and which of them ask when there is something: were all to ask for one task, each idle worker
 * would be a call of the run that has it.
 *
 * W1. An announcement wakes one, and whoever was granted something wakes two more, who may find the rest: n tasks cost their run
 *     2n + 1 calls at most, however many wait, and n that wait ask within log n answers.
 * W2. While a lane has runs, somebody asks them, or is about to: whoever stops before that, or waits long for an answer, wakes another.
 * W3. Who has waited longest is woken first, and keeps its place when it finds nothing.
 */

import { takes } from "./lanes.ts";
import type { LeaseWishes } from "./rpc.ts";

export interface WaitingPoll {
  readonly wishes: { readonly pool: string } & LeaseWishes;
  /** Nobody would hear of what it were granted. */
  readonly isOver: () => boolean;
  /** How many announcements there had been when it began to ask last: what is older it has asked for. */
  seen: number;
  /** While it sleeps. */
  wake?: () => void;
}

export class WaitingPolls {
  /** In the order in which they came. */
  readonly #polls = new Set<WaitingPoll>();

  begin(wishes: WaitingPoll["wishes"], isOver: () => boolean): WaitingPoll {
    const poll = { wishes, isOver, seen: 0 };
    this.#polls.add(poll);
    return poll;
  }

  end(poll: WaitingPoll): void {
    this.#polls.delete(poll);
  }

  /** Until it is woken, or for `ms`. */
  sleep(poll: WaitingPoll, ms: number): Promise<void> {
    return new Promise((resolve) => {
      poll.wake = () => {
        clearTimeout(timer);
        delete poll.wake;
        resolve();
      };
      const timer = setTimeout(poll.wake, ms);
    });
  }

  /** Wakes so many for each of these lanes that take from it and have not asked since the `announcements`th; and all that are over. */
  wake(lanes: readonly string[], count: number, announcements: number): void {
    const needs = new Map(lanes.map((lane) => [lane, count]));
    for (const { wishes, isOver, seen, wake } of this.#polls) {
      if (!wake) continue;
      const taken = isOver() || seen >= announcements ? [] : lanes.filter((lane) => takes(lane, wishes));
      if (!isOver() && !taken.some((lane) => needs.get(lane)! > 0)) continue;
      for (const lane of taken) needs.set(lane, needs.get(lane)! - 1);
      wake();
    }
  }

  /** Of a pool, those that sleep. */
  count(pool: string): number {
    return [...this.#polls].filter(({ wishes, wake }) => wake && wishes.pool === pool).length;
  }
}
