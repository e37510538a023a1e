/**
 * DeploymentGate: the one Durable Object that shares a deployment's seats out to its tenants. Tenants' gates ask it every half minute
 * while they have a demand, so it does a few calls a second for hundreds of tenants; nothing of a task passes it.
 *
 * It stores nothing: who has a demand says so again (book.ts), and works with what he was told meanwhile.
 */

import { DurableObject } from "cloudflare:workers";
import { deploymentSeats } from "../contract/deployment-seats.ts";
import { ClaimBook } from "../fairness/book.ts";
import { deploymentSeatsDefault, gateWaitMax, gateWorkMax } from "../limits.ts";
import { admitting, deploymentClasses } from "./admission.ts";
import type { Env } from "./env.ts";
import type { DeploymentGateRpc, TenantReport, TenantTerms } from "./gate-rpc.ts";

export class DeploymentGate extends DurableObject<Env> implements DeploymentGateRpc {
  readonly #book = new ClaimBook();

  async report({ tenant, demand, use }: TenantReport): Promise<TenantTerms> {
    const now = Date.now();
    const set = deploymentSeats(this.env.HEDDLE_SEATS);
    // What can't be read changes nothing: /health says so.
    const seats = set.ok ? set.seats : deploymentSeatsDefault;
    if (demand === 0) this.#book.forget(tenant, now);
    else this.#book.claim(tenant, { demand, use }, now);
    const target = this.#book.targets(seats, now).get(tenant) ?? 0;
    return { seats: target, isScarce: this.#book.total(now).demand > seats };
  }
}

admitting<DeploymentGateRpc>(DeploymentGate, { work: gateWorkMax, wait: gateWaitMax }, deploymentClasses);
