/** A pull worker: leases tasks and tool calls, logs a turn, reports. It may die in between, and then forgets what it held. */

import type { Lease, ToolCallLease } from "../../src/client/index.ts";
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
      const body = { worker: `${client.name}-${life}`, max: 1, wait_ms: 1000, kinds: ["task", "tool_call"] };
      const path = "/v1/pools/box/leases";
      const told = await client.ask(
        "",
        { kind: "lease", pool: "box" },
        { method: "POST", path, body, waitMs: 1000 },
        { again: false },
      );
      if (told.kind !== "told" || dead()) continue;
      for (const lease of (told.answer as { leases: (Lease | ToolCallLease)[] }).leases)
        await ("tool_call" in lease ? this.#stamp(lease, dead) : this.#carryOut(lease, dead));
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

  /** One in ten fails before it has done anything, and is tried again. */
  async #stamp({ id: lease, tool_call: call }: ToolCallLease, dead: () => boolean): Promise<void> {
    const client = this.#client;
    const { run, tool, idempotency_key: key } = call;
    const { word } = call.arguments as { word: string };
    const stamped = { run, id: key, tool, word, text: JSON.stringify(call.arguments), signed: true };
    await client.pause(20, 400);
    if (dead()) return;
    if (client.random.chance(0.1)) {
      client.history.stamp({ ...stamped, stamp: null });
      const body = { error: { code: "dry", message: "The ink is dry." }, retryable: true };
      await client.once({ method: "POST", path: `/v1/leases/${lease}/fail`, body });
      return;
    }
    const stamp = `${word} pressed ${client.fresh("by")};`;
    client.history.stamp({ ...stamped, stamp });
    await client.pause(20, 400);
    if (dead()) return;
    const act = { kind: "stamp", key, word, stamp } as const;
    const body = { result: { stamp } };
    await client.ask(run, act, { method: "POST", path: `/v1/leases/${lease}/complete`, body });
  }
}
