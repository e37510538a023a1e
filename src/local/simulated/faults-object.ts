/**
 * How often each scripted failure was answered, over restarts: a `FailCounter` in a Durable Object. Local mode only.
 * One object serves the whole local server; its input gate makes each count one step.
 */

import { DurableObject } from "cloudflare:workers";

export class SimulatedFaults extends DurableObject {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID",
    );
  }

  /** How often the key was counted before this call, which counts it once more. */
  async next(key: string): Promise<number> {
    const count =
      "INSERT INTO seen VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times - 1 AS before";
    return this.ctx.storage.sql.exec<{ before: number }>(count, key).one().before;
  }
}
