/**
 * The endpoint of runs' webhooks: takes messages, or fails as endpoints do, and may take one whose sender never hears of it.
 *
 * WH1. Every message that a log implies comes, under one id and with the same bytes however often; and no other comes.
 */

import type { WebhookMessage } from "../../../src/objects/seat-rpc.ts";
import type { Sent } from "../../../src/webhook-push/send.ts";
import type { Random } from "../random.ts";
import { sleep } from "./calls.ts";
import type { Faults } from "./platform/faults.ts";

export class FakeEndpoint {
  readonly #random: Random;
  readonly #faults: Faults;
  /** By run and event. */
  readonly #taken = new Map<string, Map<number, string>>();

  constructor(random: Random, faults: Faults) {
    this.#random = random;
    this.#faults = faults;
  }

  async take({ seq, id, body }: WebhookMessage): Promise<Sent> {
    const random = this.#random;
    const at = Date.now();
    await sleep(random.int(1, this.#faults.strikes("slow") ? 14_000 : 500));
    const attempt = { at, ms: Date.now() - at, status: 200 };
    const fault = this.#faults.strikes("endpoint") ? random.pick(["down", "busy", "unheard"] as const) : undefined;
    if (fault === "down") return { attempt: { ...attempt, status: null, why: "down" }, taken: false };
    if (fault === "busy")
      return { attempt: { ...attempt, status: 429, why: "busy" }, taken: false, afterMs: random.int(0, 90_000) };
    const { run, event } = (JSON.parse(body) as { data: { run: { id: string }; event: { seq: number } } }).data;
    if (event.seq !== seq) throw new Error(`[WH1] ${id} tells of event ${event.seq}`);
    const taken = this.#takenOf(run.id);
    const text = `${id} ${body}`;
    if ((taken.get(seq) ?? text) !== text) throw new Error(`[WH1] ${id} is another at another attempt`);
    taken.set(seq, text);
    return fault ? { attempt: { ...attempt, status: null, why: "unheard" }, taken: false } : { attempt, taken: true };
  }

  #takenOf(run: string): Map<number, string> {
    const known = this.#taken.get(run) ?? new Map<number, string>();
    this.#taken.set(run, known);
    return known;
  }

  /** Events of `toTell` that have not come. */
  missing(run: string, toTell: readonly number[]): number[] {
    const taken = this.#takenOf(run);
    return toTell.filter((seq) => !taken.has(seq));
  }

  /** Call when all have come. */
  check(run: string, toTell: readonly number[]): void {
    const [missing] = this.missing(run, toTell);
    if (missing !== undefined) throw new Error(`[WH1] ${run}: event ${missing} was never told`);
    const more = [...this.#takenOf(run).keys()].find((seq) => !toTell.includes(seq));
    if (more !== undefined) throw new Error(`[WH1] ${run}: event ${more} is told of, and is not in the log`);
  }
}
