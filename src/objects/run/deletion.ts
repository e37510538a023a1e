/**
 * Deleting a run with all that it has: the objects of its variables, its row of the index, its place at the gate, its own tables.
 *
 * D1. It begins with one write, after which the run is gone for everybody: no call finds it, no seat gets work.
 * D2. Everything else can be repeated, and is until it is done: by the caller, the alarm or the sweep. The names of the
 *     variables go last, with the tables, since only they tell what there is.
 *     There is one such course at a time: a second that went on after the first was done would delete the run that was made anew since.
 * D3. No op of a variable is under way, or begins, while its object is deleted; one that an earlier life of the run's object has sent,
 *     and that arrives after it, is refused by what the variable keeps of its end (shared-variable.ts).
 */

import { effectRetryMs, variablesAtOnce } from "../../limits.ts";
import { deleteRun } from "../../storage/d1/run-index.ts";
import { type Identity, RunStore } from "../../storage/run/run-store.ts";
import { type Env, gateStub } from "../env.ts";
import type { RunShell } from "./shell.ts";
import type { VariableCalls } from "./variable-calls.ts";

const metaName = "deleting";

export class Deletion {
  readonly #shell: RunShell;
  readonly #env: Env;
  readonly #variables: VariableCalls;
  #finishing: Promise<boolean> | undefined;

  constructor(shell: RunShell, env: Env, variables: VariableCalls) {
    this.#shell = shell;
    this.#env = env;
    this.#variables = variables;
  }

  /** The run, or what an import had taken of one, is gone from now on (D1). */
  async begin(identity: Identity): Promise<void> {
    this.#shell.drop((store) => {
      store.removeMeta("identity");
      store.removeMeta("import");
      store.setMeta(metaName, JSON.stringify(identity));
    });
    await this.#shell.effects.remind(Date.now() + effectRetryMs);
  }

  /** Carries on a deletion that was begun; false when there is none. @throws when an object or the index did not answer */
  finish(): Promise<boolean> {
    this.#finishing ??= this.#finish().finally(() => {
      this.#finishing = undefined;
    });
    return this.#finishing;
  }

  async #finish(): Promise<boolean> {
    const store = RunStore.isStaged(this.#shell.sql) ? this.#shell.stage() : undefined;
    const text = store?.meta(metaName);
    if (!store || text === undefined) return false;
    const { tenant, run, life = "" } = JSON.parse(text) as Identity;
    await this.#shell.effects.remind(Date.now() + effectRetryMs);
    await this.#variables.idle();
    for (const page of store.variables.pages(variablesAtOnce))
      await Promise.all(page.map((variable) => this.#variables.deleteAll({ tenant, id: run, life }, variable)));
    await this.#shell.effects.reported();
    await gateStub(this.#env, tenant).forget(run, tenant);
    await deleteRun(this.#env.DB, { tenant, id: run });
    await this.#shell.forget();
    return true;
  }
}
