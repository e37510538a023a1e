/** Everything that a RunScheduler stores: log, checkpoints, contexts, first answers. Opened once per object in memory. */

import { checkpointTailBytes, checkpointTailRows, idempotencyMs } from "../../limits.ts";
import type { Idem } from "../../objects/rpc.ts";
import { apply } from "../../scheduler/apply.ts";
import { settleChains } from "../../scheduler/chains.ts";
import type { Decided } from "../../scheduler/events.ts";
import { leasedCall } from "../../scheduler/remote-calls.ts";
import { emptyHeader, RunState } from "../../scheduler/state.ts";
import { isLive } from "../../scheduler/task.ts";
import { callersTransaction, migrate, storedVersion, type Transaction } from "../migrations.ts";
import { OldOutcomes } from "../old-outcomes.ts";
import { Checkpoints } from "./checkpoints.ts";
import { needsChunks } from "./chunks.ts";
import { ContextTree } from "./context-tree.ts";
import { Deliveries } from "./deliveries.ts";
import type { LoggedEvent } from "./event-codec.ts";
import { LogStore } from "./log-store.ts";
import { runSchema } from "./schema.ts";
import { Texts } from "./texts.ts";
import { Variables } from "./variables.ts";

export interface Identity {
  readonly tenant: string;
  readonly run: string;
  /** The id of the key that created it; absent where nobody's did. */
  readonly key?: string;
  /** Tells runs of the same id apart, one of which was deleted before the other was made. Runs of before there was one have none. */
  readonly life?: string;
}

export class RunStore {
  readonly log: LogStore;
  readonly tree: ContextTree;
  readonly variables: Variables;
  readonly deliveries: Deliveries;
  readonly #sql: SqlStorage;
  readonly #oldOutcomes: OldOutcomes;
  readonly texts: Texts;
  readonly #checkpoints: Checkpoints;
  #tailRows = 0;
  #tailBytes = 0;

  private constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#oldOutcomes = new OldOutcomes(() => sql);
    this.texts = new Texts(sql);
    this.log = new LogStore(sql, this.texts);
    this.tree = new ContextTree(sql, this.texts);
    this.variables = new Variables(sql);
    this.deliveries = new Deliveries(sql);
    this.#checkpoints = new Checkpoints(sql, this.texts);
  }

  /** Undefined when the run was never created, or is deleted. @throws Newer */
  static open(sql: SqlStorage, transaction: Transaction): RunStore | undefined {
    if (storedVersion(sql, runSchema) === 0) return undefined;
    // Before anything is read: newer code may keep the identity elsewhere.
    migrate(sql, transaction, runSchema);
    if (!identityOf(sql)) return undefined;
    return new RunStore(sql);
  }

  static create(sql: SqlStorage, identity: Identity): RunStore {
    migrate(sql, callersTransaction, runSchema);
    const put = (name: string, value: string) => sql.exec("INSERT INTO meta(name, value) VALUES(?, ?)", name, value);
    put("identity", JSON.stringify(identity));
    return new RunStore(sql);
  }

  /** The tables of a run that is not one yet: `open` does not see it before it has its identity. @throws Newer */
  static stage(sql: SqlStorage, transaction = callersTransaction): RunStore {
    migrate(sql, transaction, runSchema);
    return new RunStore(sql);
  }

  /** Whether there is something that is no run: an import under way. */
  static isStaged(sql: SqlStorage): boolean {
    return storedVersion(sql, runSchema) > 0 && !identityOf(sql);
  }

  /** Makes what was staged a run. */
  setIdentity(identity: Identity): void {
    this.setMeta("identity", JSON.stringify(identity));
  }

  identity(): Identity {
    return identityOf(this.#sql)!;
  }

  /** The state as of the last committed command: checkpoint, then the log's tail. */
  load(): RunState {
    const checkpoint = this.#checkpoints.header();
    const header = checkpoint ?? emptyHeader();
    const state = new RunState({ ...header, counts: { ...header.counts } }, (n) => this.#checkpoints.task(n));
    if (checkpoint) this.#adopt(state);
    this.#tailRows = 0;
    this.#tailBytes = 0;
    for (const row of this.log.rowsFrom(header.seq + 1, -1)) {
      for (const [i, { causes: _, ...event }] of row.events.entries()) {
        if (row.seq + i > header.seq) apply(state, event, row.seq + i, row.at);
      }
      this.#tailRows++;
    }
    settleChains(state);
    this.#applyRenewals(state);
    return state;
  }

  #adopt(state: RunState): void {
    for (const task of this.#checkpoints.tasks()) {
      if (task.key !== undefined && !task.keyFreed) nameTask(state, task.parent, task.key, task.n);
      if (isLive(task)) state.adopt(task);
    }
    for (const [name, facts] of this.#checkpoints.facts()) state.blocking.load(name, facts);
  }

  /** The state as it was after event `seq`, by the log alone; `before` sees each event before it is applied. */
  replay(seq: number, before?: (state: RunState, event: LoggedEvent, seq: number) => void): RunState {
    // All tasks are in memory until they leave it, which they do when a checkpoint has them: an imported run goes on with this state.
    const state = new RunState(emptyHeader(), (n) => this.#checkpoints.task(n));
    rows: for (const row of this.log.rowsFrom(1, -1)) {
      for (const [i, logged] of row.events.entries()) {
        if (row.seq + i > seq) break rows;
        before?.(state, logged, row.seq + i);
        const { causes: _, ...event } = logged;
        apply(state, event, row.seq + i, row.at);
      }
    }
    settleChains(state);
    return state;
  }

  /** A lease was renewed: it lasts until then, whatever becomes of the object's memory. */
  putRenewal(task: number, fence: number, expiresAt: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO renewals(task, fence, expires_at) VALUES(?, ?, ?)", task, fence, expiresAt);
  }

  /** The same, of a call of a remote tool. */
  putCallRenewal(call: number, fence: number, expiresAt: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO call_renewals(call, fence, expires_at) VALUES(?, ?, ?)",
      call,
      fence,
      expiresAt,
    );
  }

  #applyRenewals(state: RunState): void {
    const rows = this.#sql.exec<{ task: number; fence: number; expires_at: number }>("SELECT * FROM renewals");
    for (const { task, fence, expires_at } of rows) {
      const phase = state.tasks.get(task)?.phase;
      if (phase?.state !== "running" || phase.fence !== fence) continue;
      // A session's time gets shorter, too: when a call of it is answered before it need be.
      phase.expiresAt = task < 0 ? expires_at : Math.max(phase.expiresAt, expires_at);
    }
    const calls = this.#sql.exec<{ call: number; fence: number; expires_at: number }>("SELECT * FROM call_renewals");
    for (const { call, fence, expires_at } of calls) {
      const phase = leasedCall(state, call, fence)?.call.remote.phase;
      if (phase) phase.expiresAt = Math.max(phase.expiresAt, expires_at);
    }
  }

  /** Appends a command's events, in the caller's transaction. */
  append(decided: readonly Decided[], at: number): void {
    const { rows, bytes } = this.log.append(decided, at);
    this.#tailRows += rows;
    this.#tailBytes += bytes;
  }

  /** Writes a checkpoint when the tail is long; afterwards ended tasks leave memory. */
  checkpointIfDue(state: RunState): void {
    if (this.#tailRows < checkpointTailRows && this.#tailBytes < checkpointTailBytes) return;
    this.#checkpoints.write(state);
    // Those of leases that are over.
    this.#sql.exec("DELETE FROM renewals WHERE expires_at < ?", state.header.changedAt);
    this.#sql.exec("DELETE FROM call_renewals WHERE expires_at < ?", state.header.changedAt);
    this.#tailRows = 0;
    this.#tailBytes = 0;
    state.dirty.clear();
    state.blocking.dirty.clear();
    state.evictEnded();
  }

  /** The first answer to a key: undefined when there is none yet. */
  outcome(name: string): { fingerprint: string; value: string } | undefined {
    const row = this.#sql
      .exec<{ fingerprint: string; value: string | null }>(
        "SELECT fingerprint, value FROM outcomes WHERE name = ?",
        name,
      )
      .toArray()[0];
    return row && { fingerprint: row.fingerprint, value: row.value ?? this.texts.get(`outcome:${name}`) };
  }

  putOutcome({ key, fingerprint }: Idem, value: string, at: number): void {
    const inline = needsChunks(value) ? null : value;
    if (inline === null) this.texts.put(`outcome:${key}`, value);
    this.#sql.exec(
      "INSERT INTO outcomes(name, at, fingerprint, value) VALUES(?, ?, ?, ?)",
      key,
      at,
      fingerprint,
      inline,
    );
  }

  /** Of a short one, which has no chunks. */
  dropOutcome(name: string): void {
    this.#sql.exec("DELETE FROM outcomes WHERE name = ?", name);
  }

  /** Answers older than their promise leave, once an hour. */
  dropOldOutcomes(now: number): void {
    this.#oldOutcomes.drop(now, () => {
      const before = now - idempotencyMs;
      this.#sql.exec(
        "DELETE FROM chunks WHERE owner IN (SELECT 'outcome:' || name FROM outcomes WHERE at < ?)",
        before,
      );
      return this.#sql.exec("DELETE FROM outcomes WHERE at < ?", before).rowsRead;
    });
  }

  meta(name: string): string | undefined {
    return this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = ?", name).toArray()[0]?.value;
  }

  removeMeta(name: string): void {
    this.#sql.exec("DELETE FROM meta WHERE name = ?", name);
  }

  setMeta(name: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", name, value);
  }
}

function nameTask(state: RunState, creator: number, key: string, n: number): void {
  let names = state.keys.get(creator);
  if (!names) {
    names = new Map();
    state.keys.set(creator, names);
  }
  names.set(key, n);
}

function identityOf(sql: SqlStorage): Identity | undefined {
  const row = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'identity'").toArray()[0];
  return row && (JSON.parse(row.value) as Identity);
}
