/** The platform's floor: one RPC to a Durable Object that commits one small row, as every transition of a task does. */

import { DurableObject } from "cloudflare:workers";

export class Floor extends DurableObject {
  constructor(ctx: DurableObjectState, env: never) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS rows(n INTEGER PRIMARY KEY, text TEXT NOT NULL)");
  }

  async put(text: string): Promise<void> {
    this.ctx.storage.sql.exec("INSERT INTO rows(text) VALUES(?)", text);
  }
}

/** Some bytes, so that a commit is of the size of a transition's. */
const row = "x".repeat(400);

/** Milliseconds of each of `hops` committed RPCs, one after another. */
export async function hopsOfFloor(floor: DurableObjectStub<Floor>, hops: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < hops; i++) {
    const start = performance.now();
    await floor.put(row);
    took.push(performance.now() - start);
  }
  return took;
}
