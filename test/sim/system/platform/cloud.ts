/** The platform that a deployment finds in its `env`: objects by name, the queues of its seats, the run index. */

import { seatShards } from "../../../../src/limits.ts";
import type { Env } from "../../../../src/objects/env.ts";
import type { SeatTicket } from "../../../../src/objects/seat-rpc.ts";
import type { Random } from "../../random.ts";
import type { Faults } from "./faults.ts";
import { IndexDatabase } from "./index-database.ts";
import { Network } from "./network.ts";
import { Host, type ObjectClass } from "./objects.ts";
import { SeatQueues } from "./seat-queues.ts";
import type { Timeline } from "./timeline.ts";

export type Namespace = "RUNS" | "GATES" | "VARIABLES" | "DEPLOYMENT";

export class Cloud {
  readonly env: Env;
  readonly network: Network;
  readonly queues: SeatQueues;
  readonly index: IndexDatabase;
  readonly #hosts = new Map<string, Host>();
  readonly #around: ConstructorParameters<typeof Host>[3];
  readonly #classes: Readonly<Record<Namespace, ObjectClass>>;
  onNewHost: (namespace: Namespace, name: string, host: Host) => void = () => undefined;

  constructor(
    around: { timeline: Timeline; random: Random; faults: Faults; note: (text: string) => void },
    classes: Readonly<Record<Namespace, ObjectClass>>,
    variables: Readonly<Record<string, string>> = {},
  ) {
    this.#around = around;
    this.#classes = classes;
    this.network = new Network(around.timeline, around.random, around.faults, around.note);
    this.queues = new SeatQueues(around, this.network);
    this.index = new IndexDatabase(this.network, around.faults);
    const namespace = (of: Namespace) => ({ getByName: (name: string) => this.#stub(of, name) });
    const shards = Array.from({ length: seatShards }, (_, shard) => [
      `SEATS_${shard}`,
      {
        sendBatch: (batch: readonly { body: SeatTicket }[]) =>
          this.queues.send(
            shard,
            batch.map(({ body }) => body),
          ),
      },
    ]);
    this.env = {
      DB: this.index,
      RUNS: namespace("RUNS"),
      GATES: namespace("GATES"),
      VARIABLES: namespace("VARIABLES"),
      DEPLOYMENT: namespace("DEPLOYMENT"),
      SEATS: "queue",
      ...Object.fromEntries(shards),
      ...variables,
    } as unknown as Env;
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  host(namespace: Namespace, name: string): Host {
    const id = `${namespace} ${name}`;
    let host = this.#hosts.get(id);
    if (!host) {
      host = new Host(id, this.#classes[namespace], this.env, this.#around);
      this.#hosts.set(id, host);
      this.onNewHost(namespace, name, host);
    }
    return host;
  }

  /** Of the namespace, whose names begin so. */
  named(namespace: Namespace, prefix: string): readonly Host[] {
    return [...this.#hosts].filter(([id]) => id.startsWith(`${namespace} ${prefix}`)).map(([, host]) => host);
  }

  close(): void {
    for (const host of this.#hosts.values()) host.storage.close();
    this.index.close();
  }

  #stub(namespace: Namespace, name: string): unknown {
    return new Proxy(
      {},
      {
        get: (_, method) => {
          // A stub is no promise.
          if (typeof method !== "string" || method === "then") return undefined;
          return (...args: unknown[]) =>
            this.network.call(`${namespace} ${name}`, { method, args }, (call, reply) =>
              this.host(namespace, name).receive(call, reply),
            );
        },
      },
    );
  }
}
