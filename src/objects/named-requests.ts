/**
 * A gate's lease requests that came with an Idempotency-Key: those that wait, and which runs were asked for each.
 *
 * N1. Who repeats a request that still waits, since its line broke, waits for the same answer.
 * N2. That a run is asked is stored before it is; what it grants, it remembers itself by the key. So whoever repeats a request gets what
 *     the first was granted, whatever ended in between: no worker holds a lease that it does not know of.
 * N3. Of a request that nothing was found for nothing is kept: whoever repeats that waits anew, and a poll is no row.
 */

import type { Grant } from "../contract/shapes.ts";
import { idempotencyMs, leaseJoinMs } from "../limits.ts";
import { OldOutcomes } from "../storage/old-outcomes.ts";
import { within } from "../within.ts";
import type { Idem, Reply } from "./rpc.ts";
import { ok, refuse } from "./run/replies.ts";

/** One that is being served. */
export interface NamedRequest {
  readonly idem: Idem;
}

/** A run, as it is stored that it was asked. */
interface Asked {
  readonly run: string;
}

const mismatch = refuse({ code: "idempotency_mismatch" });

export class NamedRequests {
  readonly #sql: () => SqlStorage;
  readonly #served = new Map<string, { readonly request: NamedRequest; readonly grants: Promise<Grant[]> }>();
  readonly #oldOutcomes: OldOutcomes;

  constructor(sql: () => SqlStorage) {
    this.#sql = sql;
    this.#oldOutcomes = new OldOutcomes(sql);
  }

  async begin(idem: Idem, serve: (request: NamedRequest) => Promise<Grant[]>): Promise<Reply<Grant[]>> {
    const request = { idem };
    // It begins after it is known here: what is not is not served any more.
    const grants = Promise.resolve().then(() => serve(request));
    this.#served.set(idem.key, { request, grants });
    try {
      return ok(await grants);
    } finally {
      if (this.isServed(request)) this.#served.delete(idem.key);
    }
  }

  /** False once a repeat has been answered in its place: what it were granted now, nobody would hear of. */
  isServed(request: NamedRequest): boolean {
    return this.#served.get(request.idem.key)?.request === request;
  }

  /** N1. Undefined: no such request waits, or not within the time; where its runtime has let it go it would never answer. */
  async joined({ key, fingerprint }: Idem, waitMs: number): Promise<Reply<Grant[]> | undefined> {
    const served = this.#served.get(key);
    if (!served) return undefined;
    if (served.request.idem.fingerprint !== fingerprint) return mismatch;
    const grants = await within(waitMs + leaseJoinMs, served.grants).catch(() => undefined);
    return grants && ok(grants);
  }

  /** Runs that an earlier request of this key has asked, which is not served any more then; undefined when there was none. */
  asked({ key, fingerprint }: Idem): Reply<string[]> | undefined {
    const row = this.#sql()
      .exec<{ fingerprint: string; value: string }>("SELECT fingerprint, value FROM outcomes WHERE name = ?", key)
      .toArray()[0];
    if (!row) return undefined;
    if (row.fingerprint !== fingerprint) return mismatch;
    this.#served.delete(key);
    return ok([...new Set((JSON.parse(row.value) as Asked[]).map(({ run }) => run))]);
  }

  /** To be called before the last of `runs` is asked. */
  asks({ idem: { key, fingerprint } }: NamedRequest, runs: readonly string[]): void {
    const sql = this.#sql();
    const now = Date.now();
    this.#oldOutcomes.drop(now, () => sql.exec("DELETE FROM outcomes WHERE at < ?", now - idempotencyMs).rowsRead);
    const value = JSON.stringify(runs.map((run): Asked => ({ run })));
    sql.exec(
      "INSERT OR REPLACE INTO outcomes(name, at, fingerprint, value) VALUES(?, ?, ?, ?)",
      ...[key, now, fingerprint, value],
    );
  }

  /** Those that were asked had nothing. */
  foundNothing(request: NamedRequest): void {
    if (this.isServed(request)) this.#sql().exec("DELETE FROM outcomes WHERE name = ?", request.idem.key);
  }
}
