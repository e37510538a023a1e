/**
 * The door's admission: what one isolate has under way, in all, of each tenant and of each run. It says no before a key is
 * looked up and a body read, so that a refusal costs next to nothing.
 *
 * Which class a request is of stands in one table here; its place is left when its answer is there, when the stream of events
 * has ended, or when the client has hung up.
 */

import { type Entry, type Full, Ledger, Ledgers, Place, type Priority } from "../admission.ts";
import type { Quotas } from "../contract/admin-requests.ts";
import { Fault } from "../errors/fault.ts";
import {
  bodyBytesMax,
  doorBytesMax,
  doorSmallBodyBytes,
  doorWaitMax,
  doorWorkMax,
  runWaitMax,
  runWorkMax,
  tenantWaitMax,
  tenantWorkMax,
} from "../limits.ts";
import { Rates } from "./rates.ts";

/** Requests that are not of the class that their method and access say. */
export const classes: Readonly<Record<string, { readonly priority?: Priority; readonly waits?: true }>> = {
  "POST /v1/runs/:run/pause": { priority: "steer" },
  "POST /v1/runs/:run/resume": { priority: "steer" },
  "POST /v1/runs/:run/cancel": { priority: "steer" },
  "POST /v1/runs/:run/finish": { priority: "steer" },
  "POST /v1/runs/:run/budget": { priority: "steer" },
  "POST /v1/runs/:run/retain": { priority: "steer" },
  "PUT /v1/runs/:run/rules": { priority: "steer" },
  "POST /v1/runs/:run/rules/try": { priority: "read" },
  "POST /v1/runs/:run/tasks/:task/cancel": { priority: "steer" },
  "POST /v1/runs/:run/questions/:question/answer": { priority: "steer" },
  "POST /v1/runs/:run/events/ticket": { priority: "read" },
  "POST /v1/runs/:run/actors/:actor/renew": { priority: "report" },
  "DELETE /v1/runs/:run/actors/:actor": { priority: "report" },
  "POST /v1/pools/:pool/leases": { priority: "take", waits: true },
  "POST /v1/runs/:run/wait": { priority: "poll", waits: true },
  "POST /v1/runs/:run/tools/:tool": { waits: true },
  "POST /v1/leases/:lease/tools/:tool": { waits: true },
  // Is let in to be read; what it carries is let in as the request that it stands for.
  "POST /mcp": { priority: "read" },
};

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly access: { readonly kind: "public" | "operator" | "lease" | "key" };
}

const usual = ({ method, access }: Asked): Priority => {
  if (access.kind === "lease") return "report";
  if (access.kind === "operator" || method === "DELETE") return "steer";
  return method === "GET" ? "read" : "create";
};

/** What is let in of a route's requests; a stream of events is a long poll, whatever its route is. */
export function entryOf(route: Asked, headers: Headers): Entry {
  const streams = route.method === "GET" && (headers.get("accept")?.includes("text/event-stream") ?? false);
  const { priority = usual(route), waits = false } = classes[`${route.method} ${route.path}`] ?? {};
  if (streams) return { priority: "poll", waits: true };
  return { priority, waits, bytes: route.method === "GET" ? 0 : announcedBytes(headers) };
}

/** What a body takes of the room for large ones; one of unknown length may be as long as any. */
function announcedBytes(headers: Headers): number {
  const length = headers.get("content-length");
  if (length === null) return headers.has("transfer-encoding") ? bodyBytesMax : 0;
  // What is over the cap, or no number, is refused as such, and takes no room.
  const bytes = Number(length);
  return bytes > doorSmallBodyBytes && bytes <= bodyBytesMax ? bytes : 0;
}

/** A request that was let in. */
export class Visit {
  readonly #door: Door;
  readonly place: Place;
  isKept = false;

  constructor(door: Door, place: Place) {
    this.#door = door;
    this.place = place;
  }

  /** @throws Fault too_many_requests, quota_exceeded */
  of(tenant: string, { requests_per_second: perSecond }: Quotas = {}): void {
    this.#door.enterTenant(this.place, tenant);
    if (perSecond !== undefined) this.#door.spendRequest(tenant, perSecond);
  }

  /** @throws Fault overloaded, too_many_requests */
  to(whose: string, run: string): void {
    this.#door.enterRun(this.place, whose, run);
  }

  /** From now on whoever called this has to `leave` the place. */
  keep(): Place {
    this.isKept = true;
    return this.place;
  }
}

export class Door {
  readonly #all = new Ledger({ work: doorWorkMax, wait: doorWaitMax, bytes: doorBytesMax }, "several");
  readonly #tenants = new Ledgers({ work: tenantWorkMax, wait: tenantWaitMax });
  readonly #rates = new Rates();
  readonly #runs = new Ledgers({ work: runWorkMax, wait: runWaitMax });

  /** Lets a request in for as long as `serve` takes, or longer if that keeps its place. @throws Fault overloaded */
  async admit<T>(entry: Entry, request: Request, serve: (visit: Visit) => Promise<T>): Promise<T> {
    const place = new Place(entry, Date.now());
    const visit = new Visit(this, place);
    const full = place.enter(this.#all, Date.now());
    if (full) throw new Fault("overloaded", full === "bytes" ? tooMuchData : `Too many ${what[full]} are under way.`);
    // A client that hangs up may take the rest of this function with it.
    const left = () => place.leave();
    request.signal.addEventListener("abort", left, { once: true });
    try {
      return await serve(visit);
    } catch (error) {
      visit.isKept = false;
      throw error;
    } finally {
      if (!visit.isKept) left();
    }
  }

  enterTenant(place: Place, tenant: string): void {
    const full = this.#tenants.enter(place, tenant, Date.now());
    if (full) throw new Fault("too_many_requests", `Too many ${what[full]} of this tenant are under way.`);
  }

  spendRequest(tenant: string, perSecond: number): void {
    const retryAfterS = this.#rates.spend(tenant, perSecond, Date.now());
    if (retryAfterS === 0) return;
    throw Fault.of({ code: "quota_exceeded", detail: `requests_per_second: ${perSecond}`, retryAfterS });
  }

  /**
   * `whose`: the key that was brought, which is not looked up yet, or the tenant of a lease. By the id alone, whoever knows it would fill
   * another tenant's run with requests that only wait for their own bodies.
   */
  enterRun(place: Place, whose: string, run: string): void {
    const full = this.#runs.enter(place, `${whose}/${run}`, Date.now());
    if (full === "wait") throw new Fault("too_many_requests", `Too many ${what.wait} of this run are under way.`);
    if (full) throw new Fault("overloaded", `Too many ${what[full]} of this run are under way.`);
  }
}

const what: Readonly<Record<Full, string>> = { work: "requests", wait: "long polls", bytes: "large requests" };
const tooMuchData = "Too many large requests are under way: their bodies would not fit in memory together.";
