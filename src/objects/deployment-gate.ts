/**
 * DeploymentGate: the one Durable Object that shares a deployment's seats out to its tenants. Tenants' gates ask it every half minute
 * while they have a demand, and more often while there are too few seats; nothing of a task passes it.
 *
 * V1. What a tenant has claimed is stored, one row that each of its questions replaces: between two of them the object may have left
 *     memory. It counts for `claimMs` (book.ts).
 */

import { DurableObject } from "cloudflare:workers";
import { deploymentSeats } from "../contract/deployment-seats.ts";
import { ClaimBook } from "../fairness/book.ts";
import { useAt } from "../fairness/use.ts";
import { claimMs, deploymentSeatsDefault, gateWaitMax, gateWorkMax } from "../limits.ts";
import { deploymentSchema } from "../storage/deployment-schema.ts";
import { migrate } from "../storage/migrations.ts";
import { admitting, deploymentClasses } from "./admission.ts";
import type { Env } from "./env.ts";
import type { DeploymentGateRpc, TenantReport, TenantTerms } from "./gate-rpc.ts";

interface Row extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  readonly at: number;
  readonly demand: number;
  readonly cost: number;
  readonly seat_ms: number;
}

export class DeploymentGate extends DurableObject<Env> implements DeploymentGateRpc {
  #book: ClaimBook | undefined;

  async report({ tenant, demand, use }: TenantReport): Promise<TenantTerms> {
    const now = Date.now();
    const book = this.#load(now);
    const set = deploymentSeats(this.env.HEDDLE_SEATS);
    // What can't be read changes nothing: /health says so.
    const seats = set.ok ? set.seats : deploymentSeatsDefault;
    const { sql } = this.ctx.storage;
    if (demand === 0) {
      sql.exec("DELETE FROM claims WHERE tenant = ?", tenant);
      book.forget(tenant, now);
    } else {
      const { cost, seatMs } = useAt(use, now);
      sql.exec(
        "INSERT OR REPLACE INTO claims(tenant, at, demand, cost, seat_ms) VALUES(?, ?, ?, ?, ?)",
        ...[tenant, now, demand, cost, seatMs],
      );
      book.claim(tenant, { demand, use }, now);
    }
    const target = book.targets(seats, now).get(tenant) ?? 0;
    return { seats: target, isScarce: book.total(now).demand > seats };
  }

  /** To be called first: an object that its constructor refuses can't say why. @throws Newer */
  #load(now: number): ClaimBook {
    if (this.#book) return this.#book;
    const { sql } = this.ctx.storage;
    migrate(sql, (work) => this.ctx.storage.transactionSync(work), deploymentSchema);
    sql.exec("DELETE FROM claims WHERE at < ?", now - claimMs);
    const book = new ClaimBook();
    for (const { tenant, at, demand, cost, seat_ms: seatMs } of sql.exec<Row>("SELECT * FROM claims ORDER BY at"))
      book.claim(tenant, { demand, use: { at, cost, seatMs } }, at);
    this.#book = book;
    return book;
  }
}

admitting<DeploymentGateRpc>(DeploymentGate, { work: gateWorkMax, wait: gateWaitMax }, deploymentClasses);
