/** The platform's floor: one RPC to a Durable Object that commits one small row, as a transition of a task does on its own. */

import { DurableObject } from "cloudflare:workers";
import { lasts } from "./lasts.ts";

export class Floor extends DurableObject {
  #left = 0;

  constructor(ctx: DurableObjectState, env: never) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS rows(n INTEGER PRIMARY KEY, text TEXT NOT NULL)");
  }

  /** How many tasks its seats share. */
  async offer(tasks: number): Promise<void> {
    this.#left = tasks;
  }

  /** Whether there is a task left to take. */
  async take(): Promise<boolean> {
    return this.#left-- > 0;
  }

  /** Commits a row, and takes the next task in the same call. */
  async put(text: string): Promise<boolean> {
    this.ctx.storage.sql.exec("INSERT INTO rows(text) VALUES(?)", text);
    return this.take();
  }
}

/** Some bytes, so that a commit is of the size of a transition's. */
const row = "x".repeat(400);

/** Milliseconds of each of `hops` committed RPCs, one after another. */
export async function hopsOfFloor(floor: DurableObjectStub<Floor>, hops: number): Promise<number[]> {
  const took: number[] = [];
  // It is created with the first.
  await floor.put(row);
  for (let i = 0; i < hops; i++) {
    const start = performance.now();
    await floor.put(row);
    took.push(performance.now() - start);
  }
  return took;
}

/** A seat that does nothing but wait `ms` and commit, task after task. */
export async function seatOfFloor(floor: DurableObjectStub<Floor>, ms: number): Promise<void> {
  for (let more = await floor.take(); more; more = await floor.put(row)) await lasts(ms, Date.now());
}
