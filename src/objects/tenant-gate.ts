/**
 * TenantGate: the Durable Object of one tenant, which knows which runs have ready work for a pool of pull workers (its tasks,
 * and the calls of each tool: a lane each), and serves them round robin. It is not on the hot path: a worker that goes on in
 * its run never asks it.
 *
 * G1. A run is asked only while it says that it has something; an empty answer takes it off the lanes that were asked for,
 *     unless it has announced itself again meanwhile.
 * G2. What is announced is stored: a worker that waits is served after a restart, too.
 * G3. Whoever has hung up is given nothing: a lease that nobody hears of has no worker until it is over.
 * G4. What a run grants for a request with a key, whoever repeats the request is told (named-requests.ts).
 * G5. A run that can't be reached keeps nobody without a key from what others have, or have granted; who finds nothing else is told. Who has
 *     a key is told at once: what that run may have granted the repeat hears, with all the rest. One that only a newer version can read,
 *     after a rollback, has granted nothing: it is passed over, and stays on its lanes.
 * G6. One whose own code breaks keeps nobody from what others have, with a key or without: its steps are taken back (shell H2), so it has mostly
 *     granted nothing. Where somebody has a key it is asked once more, for what it may have granted all the same. Of what it does not say
 *     then nobody hears, until that lease is over: else one such run would stop all workers of its tenant.
 * G7. A report that was so long on its way that its run was deleted meanwhile counts nothing: nobody would take that back.
 */

import { DurableObject } from "cloudflare:workers";
import { LimitBook } from "../availability/limit-book.ts";
import { deploymentSeats } from "../contract/deployment-seats.ts";
import type { Grant, PoolWorkerView } from "../contract/shapes.ts";
import { fieldFault } from "../errors/fault.ts";
import { platformFaultOf } from "../errors/platform.ts";
import {
  deploymentSeatsDefault,
  gateGoneBytes,
  gateLeavesBytes,
  gateWaitMax,
  gateWorkMax,
  refusedRunMs,
  slowRunMs,
} from "../limits.ts";
import { Lru } from "../lru.ts";
import { gateSchema } from "../storage/gate-schema.ts";
import { migrate } from "../storage/migrations.ts";
import { admitting, gateClasses } from "./admission.ts";
import { deploymentStub, type Env, runStub } from "./env.ts";
import type { QuotasUsed, RunReport, RunTerms } from "./gate-rpc.ts";
import { laneOf, takes } from "./lanes.ts";
import { Granted, type LeaseAsk } from "./lease-ask.ts";
import { type NamedRequest, NamedRequests } from "./named-requests.ts";
import { PoolWorkers } from "./pool-workers.ts";
import type { Idem, LeaseWishes, Reply, TenantGateRpc } from "./rpc.ts";
import { ok, refuse } from "./run/replies.ts";
import { TenantQuotas } from "./tenant-quotas.ts";
import { TenantShares } from "./tenant-shares.ts";
import { WaitingPolls } from "./waiting-polls.ts";

/** A run's last word that it has something for a lane. */
interface Announced {
  /** Of all announcements. */
  readonly nth: number;
  /** It wants to know how busy the lane's workers are; it says it again with each sweep. */
  readonly loads: boolean;
}

export class TenantGate extends DurableObject<Env> implements TenantGateRpc {
  /** Runs with ready work, by lane. */
  readonly #lanes = new Map<string, Map<string, Announced>>();
  /** When each run of a lane was served last, or came: the least goes first. */
  readonly #turns = new Map<string, number>();
  #isBare = false;
  #announcements = 0;
  #turn = 0;
  readonly #workers = new PoolWorkers();
  /** Lease requests under way, by their names. */
  readonly #polls = new Map<string, "heard" | "left">();
  /** Of requests that are not here, or not yet: on another way, that their clients have hung up came first. */
  readonly #leftBefore = new Lru<string, true>(gateLeavesBytes);
  readonly #named = new NamedRequests(() => this.#sql);
  readonly #waiting = new WaitingPolls();

  readonly #quotas = new TenantQuotas({
    db: () => this.env.DB,
    sql: () => this.#sql,
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  readonly #shares = new TenantShares({
    deployment: () => deploymentStub(this.env),
    seats: () => {
      const set = deploymentSeats(this.env.HEDDLE_SEATS);
      return set.ok ? set.seats : deploymentSeatsDefault;
    },
    quota: () => this.#quotas.quotas.total_seats,
  });
  readonly #limits = new LimitBook();
  /** Runs that were deleted lately, with their lives (G7). */
  readonly #gone = new Lru<string, true>(gateGoneBytes);

  #isOpen = false;

  /** To be called first in every call: an object that its constructor refuses can't say why. @throws Newer */
  #open(): void {
    if (this.#isOpen) return;
    const { sql } = this.ctx.storage;
    migrate(sql, (work) => this.ctx.storage.transactionSync(work), gateSchema);
    for (const { pool, run } of sql.exec<{ pool: string; run: string }>("SELECT pool, run FROM ready")) {
      this.#laneOf(pool).set(run, { nth: 0, loads: false });
      this.#turns.set(run, 0);
    }
    this.#isOpen = true;
  }

  async announce({
    run,
    pool,
    tool,
    ready,
    loads,
  }: {
    run: string;
    pool: string;
    tool?: string;
    ready: boolean;
    loads?: true;
  }): Promise<boolean> {
    this.#open();
    const lane = laneOf(pool, tool);
    const isNews = this.#lanes.get(lane)?.has(run) !== ready;
    if (!ready) {
      this.#remove(lane, run);
      return isNews;
    }
    const runs = this.#laneOf(lane);
    if (isNews) this.#sql.exec("INSERT OR IGNORE INTO ready(pool, run) VALUES(?, ?)", lane, run);
    runs.set(run, { nth: ++this.#announcements, loads: loads === true });
    if (!this.#turns.has(run)) this.#turns.set(run, ++this.#turn);
    this.#wake([lane], 1);
    return isNews;
  }

  async report(report: RunReport): Promise<RunTerms> {
    this.#open();
    // Who sent it hears nothing any more.
    if (this.#gone.get(lifeOf(report))) return { seats: 0, why: "tenant" };
    const limits = this.#limits.report(report.run, report.limits ?? [], Date.now());
    const [shares, quotas] = await Promise.all([this.#shares.report(report), this.#quotas.report(report)]);
    return { ...shares, ...quotas, limits };
  }

  async quotasChanged(): Promise<void> {
    this.#quotas.changed();
  }

  async used(): Promise<QuotasUsed> {
    this.#open();
    return { seats: this.#shares.demand(), ...this.#quotas.used(Date.now()) };
  }

  async forget(run: string, tenant: string, life?: string): Promise<void> {
    this.#open();
    const gone = lifeOf({ run, life });
    this.#gone.set(gone, true, gone.length * 2);
    this.#shares.forget(run);
    this.#limits.forget(run);
    this.#quotas.forget(tenant, run);
    for (const lane of this.#lanes.keys()) this.#remove(lane, run);
  }

  /** Who calls it afterwards all the same, a worker that polls, finds an empty gate. */
  async deleteAll(): Promise<void> {
    this.#shares.clear();
    this.#limits.clear();
    this.#quotas.clear();
    this.#lanes.clear();
    this.#turns.clear();
    await this.ctx.storage.deleteAll();
    this.#isBare = true;
  }

  /** Storage with its tables, which a deletion takes along. */
  get #sql(): SqlStorage {
    const { sql } = this.ctx.storage;
    if (this.#isBare) migrate(sql, (work) => this.ctx.storage.transactionSync(work), gateSchema);
    this.#isBare = false;
    return sql;
  }

  async lease(
    { waitMs, poll, ...ask }: LeaseAsk & { readonly waitMs: number; readonly poll?: string },
    idem?: Idem,
  ): Promise<Reply<Grant[]>> {
    if (poll === undefined) return this.#lease(ask, waitMs, () => false, idem);
    this.#polls.set(poll, this.#leftBefore.get(poll) ? "left" : "heard");
    // Once: who repeats the request is heard.
    this.#leftBefore.delete(poll);
    const isLeft = () => this.#polls.get(poll) === "left";
    return this.#lease(ask, waitMs, isLeft, idem).finally(() => this.#polls.delete(poll));
  }

  async leave(poll: string): Promise<void> {
    if (!this.#polls.has(poll)) {
      this.#leftBefore.set(poll, true, poll.length);
      return;
    }
    this.#polls.set(poll, "left");
    this.#wake([], 0);
  }

  async #lease(ask: LeaseAsk, waitMs: number, isLeft: () => boolean, idem: Idem | undefined): Promise<Reply<Grant[]>> {
    this.#open();
    this.#workers.seen(ask.pool, ask.worker, ask.load, Date.now());
    if (ask.max === 0) {
      await this.#tellLoad(ask);
      return ok([]);
    }
    if (!idem) return ok(await this.#waitFor(ask, waitMs, isLeft));
    const first = (await this.#named.joined(idem, waitMs)) ?? (await this.#again(ask, idem));
    return (
      first ??
      this.#named.begin(idem, (request) => {
        const isOver = () => isLeft() || !this.#named.isServed(request);
        return this.#waitFor(ask, waitMs, isOver, request);
      })
    );
  }

  /** What was granted under this key; a run that was not reached then grants something now. Undefined: none was asked. */
  async #again(ask: LeaseAsk, idem: Idem): Promise<Reply<Grant[]> | undefined> {
    const asked = this.#named.asked(idem);
    if (!asked?.ok) return asked;
    const granted = new Granted(ask);
    const broke: unknown[] = [];
    for (const run of asked.value) {
      const reply = await runStub(this.env, ask.tenant, run)
        .leases({ ...granted.rest, isRepeat: true }, idem)
        .catch((error: unknown) => {
          if (!isBroken(error)) throw error;
          console.error("a run is broken", { run, error: String(error) });
          broke.push(error);
        });
      if (!reply) continue;
      if (reply.ok) granted.add(reply.value);
      // A deleted run has granted nothing; of one that can't say it now nobody knows.
      else if (reply.fault.code !== "not_found") return reply;
    }
    if (broke.length > 0 && granted.all.length === 0) throw broke[0];
    return ok(granted.all);
  }

  /** Until there is something, its time is over, or nobody would hear of it (`isOver`). */
  async #waitFor(ask: LeaseAsk, waitMs: number, isOver: () => boolean, request?: NamedRequest): Promise<Grant[]> {
    const until = Date.now() + waitMs;
    const poll = this.#waiting.begin(ask, isOver);
    let found = 0;
    try {
      for (;;) {
        poll.seen = this.#announcements;
        const { grants, refused } = await this.#serve(ask, isOver, request);
        found = grants.length;
        const left = until - Date.now();
        if (found > 0 || left <= 0 || isOver()) return grants;
        // One that came while others were asked is served at once.
        if (this.#announcements > poll.seen && this.#lanesFor(ask).length > 0) continue;
        // A run that had no room for the question does not announce itself again.
        await this.#waiting.sleep(poll, refused ? Math.min(left, refusedRunMs) : left);
      }
    } finally {
      this.#waiting.end(poll);
      this.#wake(this.#lanesFor(ask), found > 0 ? 2 : 1);
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
    this.#open();
    const after = Number(cursor ?? 0);
    if (!Number.isSafeInteger(after) || after < 0) return refuse(fieldFault("cursor", "not a cursor of this list"));
    const { rows, nextCursor } = this.#workers.page(pool, { limit, after }, Date.now());
    return ok({ workers: rows, waiting: this.#waiting.count(pool), nextCursor });
  }

  #wake(lanes: readonly string[], count: number): void {
    this.#waiting.wake(lanes, count, this.#announcements);
  }

  /** A worker that is too busy to ask for anything: runs whose rules look at that, and which have something for it, are told. */
  async #tellLoad({ tenant, pool, worker, load, ...wishes }: LeaseAsk): Promise<void> {
    if (!load) return;
    const announced = this.#lanesFor({ pool, ...wishes }).flatMap((lane) => [...this.#laneOf(lane)]);
    const listening = new Set(announced.flatMap(([run, { loads }]) => (loads ? [run] : [])));
    for (const run of listening)
      await runStub(this.env, tenant, run).leases({ pool, worker, max: 0, contextBytes: 0, load });
  }

  /** One round over the runs that have what is asked for, each asked at most once; the one served goes to the end. @throws where a run could not be reached, and no other had anything (G5) */
  async #serve(
    ask: LeaseAsk,
    isOver: () => boolean,
    request: NamedRequest | undefined,
  ): Promise<{ readonly grants: Grant[]; readonly refused: boolean }> {
    const granted = new Granted(ask);
    const gave: string[] = [];
    /** Whoever repeats the request asks these again (G6). */
    const mute: string[] = [];
    const broke: unknown[] = [];
    let asked = false;
    let refused = false;
    const runs = new Set(this.#lanesFor(ask).flatMap((lane) => [...this.#laneOf(lane).keys()]));
    const turn = (run: string) => this.#turns.get(run) ?? 0;
    for (const run of [...runs].sort((a, b) => turn(a) - turn(b))) {
      if (granted.isEnough || isOver()) break;
      const announced = this.#lanesFor(ask).map((lane) => [lane, this.#lanes.get(lane)?.get(run)] as const);
      if (announced.every(([, at]) => at === undefined)) continue;
      this.#turns.set(run, ++this.#turn);
      if (request) this.#named.asks(request, [...gave, ...mute, run]);
      asked = true;
      const slow = setTimeout(() => this.#wake(this.#lanesFor(ask), 1), slowRunMs);
      const askIt = () => runStub(this.env, ask.tenant, run).leases(granted.rest, request?.idem);
      const reply = await askIt()
        .catch((error: unknown) => {
          if (!request || !isBug(error)) throw error;
          return askIt();
        })
        .catch((error: unknown) => {
          if (platformFaultOf(error) === "storage_newer") return;
          if (request && !isBug(error)) throw error;
          console.error("a run was not reached", { run, error: String(error) });
          broke.push(error);
          mute.push(run);
        })
        .finally(() => clearTimeout(slow));
      if (!reply) {
        // Whoever repeats the request is not refused for it either.
        if (request && gave.length + mute.length > 0) this.#named.asks(request, [...gave, ...mute]);
        continue;
      }
      const grants = reply.ok ? reply.value : [];
      granted.add(grants);
      if (grants.length > 0) gave.push(run);
      // Too busy to answer is not empty: it stays on its lanes.
      const busy = !reply.ok && reply.fault.code === "overloaded";
      refused ||= busy;
      if (grants.length > 0 || busy) continue;
      for (const [lane, at] of announced)
        if (at !== undefined && this.#lanes.get(lane)?.get(run) === at) this.#remove(lane, run);
    }
    if (broke.length > 0 && granted.all.length === 0) throw broke[0];
    if (request && asked && gave.length === 0) this.#named.foundNothing(request);
    return { grants: granted.all, refused };
  }

  /** The lanes with runs in them that a worker takes from. */
  #lanesFor(input: { readonly pool: string } & LeaseWishes): string[] {
    return [...this.#lanes].filter(([lane, runs]) => runs.size > 0 && takes(lane, input)).map(([lane]) => lane);
  }

  #laneOf(lane: string): Map<string, Announced> {
    let runs = this.#lanes.get(lane);
    if (!runs) {
      runs = new Map();
      this.#lanes.set(lane, runs);
    }
    return runs;
  }

  #remove(lane: string, run: string): void {
    const runs = this.#lanes.get(lane);
    if (!runs?.has(run)) return;
    // First what is stored: where that is refused, the run is told so and says it again.
    this.#sql.exec("DELETE FROM ready WHERE pool = ? AND run = ?", lane, run);
    runs.delete(run);
    if (runs.size === 0) this.#lanes.delete(lane);
    if (![...this.#lanes.values()].some((others) => others.has(run))) this.#turns.delete(run);
  }
}

const lifeOf = ({ run, life = "" }: { readonly run: string; readonly life?: string | undefined }) => `${run} ${life}`;

/** An object's own code has thrown it. */
const isBug = (error: unknown): boolean => platformFaultOf(error) === undefined;
/** Or it can't read what it has stored: either way it says nothing, however often it is asked. */
const isBroken = (error: unknown): boolean => isBug(error) || platformFaultOf(error) === "storage_newer";

admitting<TenantGateRpc>(TenantGate, { work: gateWorkMax, wait: gateWaitMax }, gateClasses);
