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

import { effectRetryMs, meterTriesOfDeletion, variablesAtOnce } from "../../limits.ts";
import { deleteRun } from "../../storage/d1/run-index.ts";
import { type Identity, RunStore } from "../../storage/run/run-store.ts";
import { type Env, gateStub } from "../env.ts";
import type { Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { ok, type Refused, refuse } from "./replies.ts";
import type { RunShell } from "./shell.ts";
import type { VariableCalls } from "./variable-calls.ts";

const metaName = "deleting";

const notMetered = (why: string): Refused =>
  refuse({ code: "overloaded", detail: `What the run has used could not be noted yet: ${why}` });

export class Deletion {
  readonly #shell: RunShell;
  readonly #env: Env;
  readonly #variables: VariableCalls;
  readonly #meter: (run: LoadedRun) => Promise<number>;
  #finishing: Promise<boolean> | undefined;

  /** `meter`: delivers what a run has used; answers up to which event. */
  constructor(shell: RunShell, env: Env, variables: VariableCalls, meter: (run: LoadedRun) => Promise<number>) {
    this.#shell = shell;
    this.#env = env;
    this.#variables = variables;
    this.#meter = meter;
  }

  /** Deletes the run, or what is left of one. */
  async deleteRun(): Promise<Reply<null>> {
    const identity = this.#shell.load()?.store.identity();
    try {
      // What it has used outlives it. Whatever is logged meanwhile is metered too, before the write that ends it.
      if (identity && !(await this.#isAllMetered(identity)))
        return notMetered("it logs faster than that. Pause or cancel it first.");
    } catch (error) {
      console.error("metering failed", error);
      return notMetered("try again.");
    }
    // Another call may have deleted it meanwhile: what is here now would be another run, of the same id.
    if (identity && this.#loadOf(identity)) await this.begin(identity);
    try {
      return await this.carryOn();
    } catch (error) {
      console.error("deletion broke off", error);
      return refuse({ code: "overloaded", detail: "The run is gone; the rest of it is being deleted." });
    }
  }

  /** Or another call has deleted the run meanwhile, and had done this before. */
  async #isAllMetered(identity: Identity): Promise<boolean> {
    for (let tries = 0; tries < meterTriesOfDeletion; tries++) {
      const run = this.#loadOf(identity);
      if (!run) return true;
      const upto = await this.#meter(run);
      // One that a bug dropped from memory knows nothing of what was logged since.
      if (this.#loadOf(identity) === run && upto >= run.state.header.seq) return true;
    }
    return false;
  }

  /** The run, unless it is gone, or another one has its id by now. */
  #loadOf({ life }: Identity): LoadedRun | undefined {
    const run = this.#shell.load();
    return run?.store.identity().life === life ? run : undefined;
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

  /** `finish` as a call's answer. */
  async carryOn(): Promise<Reply<null>> {
    return (await this.finish()) ? ok(null) : refuse({ code: "not_found" });
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
    await gateStub(this.#env, tenant).forget(run, tenant, life);
    await deleteRun(this.#env.DB, { tenant, id: run });
    await this.#shell.forget();
    return true;
  }
}
