/** A run in memory: what every part of the RunScheduler works on. */

import type { RemoteTool } from "../../contract/remote-tools.ts";
import { expiryOf } from "../../contract/retention.ts";
import { ownerIdOf, type RunId, runSuffix, taskNumber } from "../../ids.ts";
import type { RunState } from "../../scheduler/state.ts";
import type { RunStore } from "../../storage/run/run-store.ts";
import type { Models } from "./models.ts";
import { ToldProgress } from "./told-progress.ts";

export interface RunSettings {
  readonly models: Models;
  /** How long ended runs are kept that don't say so themselves; null: until somebody deletes them. */
  readonly retentionDays: number | null;
}

/** Of the store's meta: how many lines the run's file had. */
export const importedName = "imported";
/** When the run was taken in, if it had ended before. */
export const importedAtName = "imported_at";
/** How many events came from the file: what they tell of was used elsewhere. */
export const importedEventsName = "imported_events";

/** JSON of the prices that its tenant had of its own when it was created. */
export const pricesName = "prices";

export class LoadedRun {
  readonly tenant: string;
  readonly id: RunId;
  /** As in Identity; "" for runs that have none. */
  readonly life: string;
  readonly suffix: string;
  readonly state: RunState;
  readonly store: RunStore;
  readonly progress = new ToldProgress();
  /** It is being deleted: whoever still has it in hand does nothing more with it. */
  isGone = false;
  /** The deployment's. */
  readonly #models: Models;
  #ownModels: Models | undefined;
  /** The deployment's; null: it deletes none by its age. */
  readonly #retentionDays: number | null;
  #redact: boolean | undefined;
  #tools: ReadonlyMap<string, RemoteTool> | undefined;

  /** `state`: as of another moment than its last command. */
  constructor(store: RunStore, { models, retentionDays }: RunSettings, state = store.load()) {
    const { tenant, run, life = "" } = store.identity();
    this.tenant = tenant;
    this.life = life;
    this.id = run as RunId;
    this.suffix = runSuffix(this.id);
    this.store = store;
    this.#models = models;
    this.#retentionDays = retentionDays;
    this.state = state;
  }

  get settings(): RunSettings {
    return { models: this.#models, retentionDays: this.#retentionDays };
  }

  /** With its tenant's prices. */
  get models(): Models {
    this.#ownModels ??= this.#models.under(this.store.meta(pricesName));
    return this.#ownModels;
  }

  /** It came from a file. */
  get isImported(): boolean {
    return this.store.meta(importedName) !== undefined;
  }

  /** How long it is kept after its end; null: until somebody deletes it. */
  get retentionDays(): number | null {
    return this.state.header.retentionDays ?? this.#retentionDays;
  }

  /** When it is deleted for its age; null while it goes on. One that came from a file, ended, is here since then only. */
  get expiresAt(): number | null {
    const { endedAt } = this.state.header;
    if (endedAt === 0) return null;
    const importedAt = Number(this.store.meta(importedAtName) ?? 0);
    return expiryOf(Math.max(endedAt, importedAt), this.retentionDays);
  }

  /** The tools that the run declares, by name: the body of its first event. */
  get tools(): ReadonlyMap<string, RemoteTool> {
    if (!this.#tools) {
      const body = this.store.log.body(1) as { readonly tools?: readonly RemoteTool[] } | undefined;
      this.#tools = new Map(body?.tools?.map((tool) => [tool.name, tool]));
    }
    return this.#tools;
  }

  /** Whether what tells about the run shows its texts: its first event says it, for good. */
  get redact(): boolean {
    if (this.#redact === undefined) {
      const first = this.store.log.event(1);
      this.#redact = first?.type === "run_created" && first.redact === true;
    }
    return this.#redact;
  }

  /** A task's id, or a session's for its negative number. */
  taskId(n: number): string {
    return ownerIdOf(this.id, n);
  }

  /** The number of a task of this run; undefined for any other text. */
  numberOf = (id: string): number | undefined => taskNumber(this.id, id);
}
