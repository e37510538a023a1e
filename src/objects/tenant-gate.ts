/**
 * TenantGate: the Durable Object of one tenant, which knows which runs have ready tasks for a pool of pull workers, and
 * serves them round robin. It is not on the hot path: a worker that goes on in its run never asks it.
 *
 * G1. A run is asked only while it says that it has something; an empty answer takes it off the list, unless it has
 *     announced itself again meanwhile.
 * G2. What is announced is stored: a worker that waits is served after a restart, too.
 */

import { DurableObject } from "cloudflare:workers";
import type { LeaseGrant, LoadView, PoolWorkerView } from "../contract/shapes.ts";
import { idempotencyMs, leaseContextBytesMax } from "../limits.ts";
import { type Env, runStub } from "./env.ts";
import { PoolWorkers } from "./pool-workers.ts";
import type { Idem, Reply, TenantGateRpc } from "./rpc.ts";
import { Signals } from "./run/signals.ts";

interface Given {
  readonly run: string;
  readonly taskNumber: number;
  readonly fence: number;
}

export class TenantGate extends DurableObject<Env> implements TenantGateRpc {
  readonly #signals = new Signals();
  /** Runs with ready tasks, by pool, in the order in which they are served next. */
  readonly #pools = new Map<string, Map<string, number>>();
  #announcements = 0;
  readonly #workers = new PoolWorkers();
  /** Lease requests that wait, by pool. */
  readonly #waiting = new Map<string, number>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS ready(pool TEXT, run TEXT, PRIMARY KEY(pool, run)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS outcomes(name TEXT PRIMARY KEY, at INTEGER NOT NULL, fingerprint TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
    `);
    for (const { pool, run } of ctx.storage.sql.exec<{ pool: string; run: string }>("SELECT pool, run FROM ready")) {
      this.#poolOf(pool).set(run, 0);
    }
  }

  async announce({ run, pool, ready }: { run: string; pool: string; ready: boolean }): Promise<void> {
    const runs = this.#poolOf(pool);
    if (!ready) return this.#remove(pool, run);
    if (!runs.has(run)) this.ctx.storage.sql.exec("INSERT OR IGNORE INTO ready(pool, run) VALUES(?, ?)", pool, run);
    runs.set(run, ++this.#announcements);
    this.#signals.committed([]);
  }

  async forget(run: string): Promise<void> {
    for (const pool of this.#pools.keys()) this.#remove(pool, run);
  }

  async lease(
    input: { tenant: string; pool: string; worker: string; max: number; waitMs: number; load?: LoadView },
    idem?: Idem,
  ): Promise<Reply<LeaseGrant[]>> {
    this.#workers.seen(input.pool, input.worker, input.load, Date.now());
    if (input.max === 0) return { ok: true, value: [] };
    const first = idem && (await this.#again(input.tenant, idem));
    if (first) return first;
    const until = Date.now() + input.waitMs;
    for (;;) {
      const grants = await this.#serve(input);
      const left = until - Date.now();
      if (grants.length > 0 || left <= 0) {
        if (idem) this.#remember(idem, grants);
        return { ok: true, value: grants };
      }
      const seen = this.#announcements;
      this.#countWaiting(input.pool, 1);
      await this.#signals.wait(left, () => this.#announcements > seen && this.#poolOf(input.pool).size > 0);
      this.#countWaiting(input.pool, -1);
    }
  }

  async pool({
    pool,
    limit,
    cursor,
  }: {
    pool: string;
    limit: number;
    cursor?: string;
  }): Promise<Reply<{ workers: PoolWorkerView[]; waiting: number; nextCursor: string | null }>> {
    const after = Number(cursor ?? 0);
    if (!Number.isSafeInteger(after) || after < 0) {
      const errors = [{ path: "cursor", message: "not a cursor of this list" }];
      return { ok: false, fault: { code: "validation_failed", detail: "cursor: not a cursor of this list", errors } };
    }
    const { rows, nextCursor } = this.#workers.page(pool, { limit, after }, Date.now());
    return { ok: true, value: { workers: rows, waiting: this.#waiting.get(pool) ?? 0, nextCursor } };
  }

  #countWaiting(pool: string, change: 1 | -1): void {
    const count = (this.#waiting.get(pool) ?? 0) + change;
    if (count === 0) this.#waiting.delete(pool);
    else this.#waiting.set(pool, count);
  }

  /** One round over the pool's runs, each asked at most once; the one served goes to the end. */
  async #serve(input: { tenant: string; pool: string; worker: string; max: number }): Promise<LeaseGrant[]> {
    const grants: LeaseGrant[] = [];
    const runs = this.#poolOf(input.pool);
    let room = leaseContextBytesMax;
    for (const [run, announced] of [...runs]) {
      if (grants.length >= input.max || room <= 0) break;
      if (!runs.has(run)) continue;
      runs.delete(run);
      runs.set(run, announced);
      const ask = { pool: input.pool, worker: input.worker, max: input.max - grants.length, contextBytes: room };
      const reply = await runStub(this.env, input.tenant, run).leases(ask);
      const given = reply.ok ? reply.value : [];
      for (const grant of given) room -= grant.contextText?.length ?? 0;
      grants.push(...given);
      if (given.length === 0 && runs.get(run) === announced) this.#remove(input.pool, run);
    }
    return grants;
  }

  #poolOf(pool: string): Map<string, number> {
    let runs = this.#pools.get(pool);
    if (!runs) {
      runs = new Map();
      this.#pools.set(pool, runs);
    }
    return runs;
  }

  #remove(pool: string, run: string): void {
    if (this.#poolOf(pool).delete(run))
      this.ctx.storage.sql.exec("DELETE FROM ready WHERE pool = ? AND run = ?", pool, run);
  }

  /** Which leases a key was answered with; they are asked for again, since contexts are not kept twice. */
  #remember(idem: Idem, grants: readonly LeaseGrant[]): void {
    const { sql } = this.ctx.storage;
    const given: Given[] = grants.map(({ run, taskNumber, fence }) => ({ run, taskNumber, fence }));
    sql.exec("DELETE FROM outcomes WHERE at < ?", Date.now() - idempotencyMs);
    sql.exec(
      "INSERT OR IGNORE INTO outcomes(name, at, fingerprint, value) VALUES(?, ?, ?, ?)",
      idem.key,
      Date.now(),
      idem.fingerprint,
      JSON.stringify(given),
    );
  }

  async #again(tenant: string, idem: Idem): Promise<Reply<LeaseGrant[]> | undefined> {
    const row = this.ctx.storage.sql
      .exec<{ fingerprint: string; value: string }>("SELECT fingerprint, value FROM outcomes WHERE name = ?", idem.key)
      .toArray()[0];
    if (!row) return undefined;
    if (row.fingerprint !== idem.fingerprint) return { ok: false, fault: { code: "idempotency_mismatch" } };
    const grants: LeaseGrant[] = [];
    for (const { run, taskNumber, fence } of JSON.parse(row.value) as Given[]) {
      const reply = await runStub(this.env, tenant, run).leaseAgain({ taskNumber, fence });
      if (reply.ok) grants.push(reply.value);
    }
    return { ok: true, value: grants };
  }
}
