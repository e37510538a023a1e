/**
 * SharedVariable: the Durable Object of one variable, named `tenant/run/name`. Thin: it opens the store, lets the kind decide
 * and answers; ops that come during a commit share the next.
 *
 * Only the run's object calls it, and only for variables that it has registered: so an object comes to be by its first op.
 *
 * Z1. An op is of one life of its run. One that was sent before the run was deleted and arrives after it changes nothing: it meets
 *     the tombstone, or the variable of another life.
 * Z2. A tombstone goes by itself, when nothing that was sent before it can be under way any more.
 */

import { DurableObject } from "cloudflare:workers";
import { sweepEveryMs, variableTombstoneMs, variableWorkMax } from "../limits.ts";
import { isBuried, putTombstone, removeTombstones } from "../storage/variable/tombstone.ts";
import { VariableStore } from "../storage/variable/variable-store.ts";
import { show } from "../variables/index.ts";
import { admitting, variableClasses } from "./admission.ts";
import { Commits } from "./commits.ts";
import type { Env } from "./env.ts";
import type { Reply } from "./rpc.ts";
import { refuse } from "./run/replies.ts";
import { carryOut, firstAnswer } from "./variable/carry-out.ts";
import { exportPart, identityIn, importContents, seal } from "./variable/transfer.ts";
import type {
  CarriedOut,
  VariableContents,
  VariableLook,
  VariableOp,
  VariablePart,
  VariableRpc,
} from "./variable-rpc.ts";

export class SharedVariable extends DurableObject<Env> implements VariableRpc {
  readonly #commits: Commits<VariableOp, Reply<CarriedOut>>;
  #store: VariableStore | undefined;
  /** The life that it was deleted with, before storage says so. */
  #deleted: string | undefined;
  #ops: Record<string, number> = {};
  #opsSince = Date.now();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#commits = new Commits(
      (ops) => this.#carryOut(ops),
      () => ctx.storage.sync(),
    );
  }

  async carryOut(op: VariableOp): Promise<Reply<CarriedOut>> {
    return this.#commits.submit(op);
  }

  async firstAnswer(op: VariableOp): Promise<Reply<CarriedOut> | undefined> {
    const store = this.#load();
    if (!store) return undefined;
    return isOfAnotherLife(store, op) ? wasDeleted : firstAnswer(store, op.call, op.id);
  }

  async look(): Promise<VariableLook | undefined> {
    const store = this.#load();
    if (!store) return undefined;
    const { name, kind, createdAt } = store.identity;
    return {
      name,
      kind,
      state: show(kind, store.head),
      ops: { ...this.#ops },
      ops_since: this.#opsSince,
      created_at: createdAt,
    };
  }

  async exportPart(from: string | undefined): Promise<VariablePart | undefined> {
    const store = this.#load();
    return store && exportPart(this.ctx.storage.sql, store, from);
  }

  async importContents(contents: VariableContents): Promise<number> {
    const { sql } = this.ctx.storage;
    this.#guarded(() =>
      this.ctx.storage.transactionSync(() => {
        this.#store = this.#load() ?? VariableStore.create(sql, identityIn(contents));
        importContents(sql, this.#store, contents);
      }),
    );
    return sql.databaseSize;
  }

  async sealImport(): Promise<boolean> {
    const store = this.#load();
    // Nothing was ever done with it.
    if (!store) return true;
    return this.#guarded(() => this.ctx.storage.transactionSync(() => seal(this.ctx.storage.sql, store)));
  }

  async deleteAll(life: string): Promise<void> {
    const { storage } = this.ctx;
    const store = this.#load();
    // It was deleted before, and made anew since.
    if (store && isOfAnotherLife(store, { life })) return;
    this.#store = undefined;
    this.#ops = {};
    this.#deleted = life;
    await storage.deleteAll();
    // Where this breaks off the run's object has no answer, and deletes again.
    storage.transactionSync(() => putTombstone(storage.sql, life));
    await storage.setAlarm(Date.now() + variableTombstoneMs);
  }

  /** Z2. An alarm that fails too often is dropped for good: it does not. */
  override async alarm(): Promise<void> {
    const { storage } = this.ctx;
    try {
      // The run may have been made anew meanwhile, and this variable with it.
      if (this.#load()) removeTombstones(storage.sql);
      else await storage.deleteAll();
    } catch (error) {
      console.error("alarm failed", { variable: this.ctx.id?.name, error: String(error) });
      await storage.setAlarm(Date.now() + sweepEveryMs);
    }
  }

  #load(): VariableStore | undefined {
    this.#store ??= VariableStore.open(this.ctx.storage.sql, (work) => this.ctx.storage.transactionSync(work));
    return this.#store;
  }

  #carryOut(ops: readonly VariableOp[]): Reply<CarriedOut>[] {
    const now = Date.now();
    return this.#guarded(() => {
      const replies = this.ctx.storage.transactionSync(() => ops.map((op) => this.#carryOutOne(op, now)));
      for (const { call } of ops) this.#ops[call.op.op] = (this.#ops[call.op.op] ?? 0) + 1;
      this.#store?.dropOldOutcomes(now);
      const bytes = this.ctx.storage.sql.databaseSize;
      return replies.map((reply) => (reply.ok ? { ...reply, value: { ...reply.value, bytes } } : reply));
    });
  }

  /** Where it breaks the next call loads what was committed. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (bug) {
      this.#store = undefined;
      throw bug;
    }
  }

  #carryOutOne(op: VariableOp, now: number): Reply<CarriedOut> {
    const store = this.#load();
    // An older version of the run's object does not say.
    const { life = "" } = op as Partial<VariableOp>;
    const isLate = store
      ? isOfAnotherLife(store, { life })
      : this.#deleted === life || isBuried(this.ctx.storage.sql, life);
    if (isLate) return wasDeleted;
    return carryOut(store ?? this.#create(op, now), op.call, op.id, now);
  }

  #create({ tenant, run, life, call: { name, kind } }: VariableOp, createdAt: number): VariableStore {
    this.#store = VariableStore.create(this.ctx.storage.sql, { tenant, run, name, kind, createdAt, life });
    return this.#store;
  }
}

const wasDeleted = refuse({ code: "not_found", detail: "The run was deleted." });

/** Z1. Imported ones are of none. */
const isOfAnotherLife = ({ identity }: VariableStore, { life }: Pick<VariableOp, "life">): boolean =>
  identity.life !== undefined && identity.life !== life;

admitting<VariableRpc>(SharedVariable, { work: variableWorkMax, wait: 0 }, variableClasses);
