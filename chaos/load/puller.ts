/** A pull worker: leases, logs a turn, reports. It may die in between, and then forgets what it held. */

import type { Lease } from "../../src/client/index.ts";
import { Client, type Surroundings } from "../client.ts";

export class Puller {
  readonly #client: Client;
  #lives = 1;
  readonly done: Promise<void>;

  constructor(around: Surroundings, name: string) {
    this.#client = new Client(around, name);
    this.done = this.#work();
  }

  /** Whatever it does now is left as it is. */
  die(): void {
    this.#lives++;
  }

  async #work(): Promise<void> {
    const client = this.#client;
    while (!client.over) {
      const life = this.#lives;
      const dead = () => this.#lives !== life;
      const body = { worker: `${client.name}-${life}`, max: 1, wait_ms: 1000 };
      const path = "/v1/pools/box/leases";
      const told = await client.ask(
        "",
        { kind: "lease", pool: "box" },
        { method: "POST", path, body, waitMs: 1000 },
        { again: false },
      );
      if (told.kind !== "told" || dead()) continue;
      for (const lease of (told.answer as { leases: Lease[] }).leases) await this.#carryOut(lease, dead);
    }
  }

  async #carryOut({ id: lease, run, task }: Lease, dead: () => boolean): Promise<void> {
    const client = this.#client;
    const { id, generation, instructions } = task;
    await client.pause(20, 800);
    if (dead()) return;
    if (client.random.chance(0.5)) {
      const text = `${client.fresh("turn")};`;
      const body = { messages: [{ role: "assistant", content: text }] };
      const act = { kind: "turn", task: id, generation, text } as const;
      const told = await client.ask(run, act, { method: "POST", path: `/v1/leases/${lease}/turn`, body });
      if (told.kind !== "told") return;
    }
    await client.pause(20, 400);
    if (dead()) return;
    const result = `done ${instructions}`;
    const act = { kind: "complete", task: id, generation, result } as const;
    await client.ask(run, act, { method: "POST", path: `/v1/leases/${lease}/complete`, body: { result } });
  }
}
