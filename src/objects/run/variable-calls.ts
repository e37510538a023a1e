/**
 * Variables as a run uses them: the run's object registers a name at its first use, and carries out every op on the
 * variable's own object after its step is committed.
 *
 * W1. One door for all callers, so an op of a lost lease, of an ended run or of another kind never reaches the variable.
 * W2. An op is sent again when its object was away, and only when its id makes a repeat harmless (`variableRepeats`).
 */

import type { Page, VariableView } from "../../contract/shapes.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import { toolHints } from "../../errors/codes.ts";
import { faults } from "../../errors/faults.ts";
import { platformDetail, platformFaultOf } from "../../errors/platform.ts";
import { inlineResultBytesMax, pageBytesMax, variablesAtOnce, variablesPerRunMax } from "../../limits.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { RegisteredVariable } from "../../storage/run/variables.ts";
import { decide, initialHead, nothing, show } from "../../variables/index.ts";
import type { Answer } from "../../variables/kind.ts";
import type { DataKind, VariableCall, VariableKind } from "../../variables/ops.ts";
import { type Env, variableStub } from "../env.ts";
import type { Reply } from "../rpc.ts";
import type { OpId, VariableLook } from "../variable-rpc.ts";
import { blockingView } from "./blocking-view.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { badCursor, ok, placeOf, refuse } from "./replies.ts";
import { cutFields } from "./results.ts";
import { type ToolRun, toolError } from "./tool-calls.ts";
import type { UsedBy, VariableUses } from "./variable-uses.ts";

/** What is left to do after the step's commit. */
export type LaterRun = Extract<ToolRun, { kind: "variable" | "look" }>;
/** As whom. */
export interface LaterOp {
  readonly id: OpId;
  readonly by: UsedBy;
}

export const isLater = (done: ToolRun): done is LaterRun => done.kind === "variable" || done.kind === "look";

/** Refuses names that another kind has, and new ones beyond what a run may have. */
export function checkNames(run: LoadedRun, names: readonly string[], kind: VariableKind): ToolRun | undefined {
  const { variables } = run.store;
  for (const name of names) {
    const known = variables.kindOf(name);
    if (known && known !== kind)
      return toolError("kind_mismatch", `"${name}" is a ${known}, since its first use, and no ${kind}.`, {
        kind: known,
      });
  }
  if (variables.count + names.filter((name) => !variables.kindOf(name)).length > variablesPerRunMax)
    return toolError("too_many_variables", `A run has at most ${variablesPerRunMax} variables.`);
  return undefined;
}

/** Registers variables at their first use; `checkNames` has let them through. */
export function register(step: Step, run: LoadedRun, names: readonly string[], kind: VariableKind): void {
  const { variables } = run.store;
  for (const name of names) {
    if (!variables.kindOf(name)) variables.add({ name, kind }, step.emit({ type: "variable_created", name, kind }));
  }
}

/** Checks the op against the run. The caller has refused writes to an ended run. */
export function useVariable(step: Step, run: LoadedRun, call: VariableCall): ToolRun {
  const { name, kind } = call;
  if (isRunEnded(step.state) && !run.store.variables.kindOf(name)) {
    return toolRun(decide(initialHead(kind), nothing, call).answer);
  }
  const stale = staleFence(run, call);
  // Who had carried it out while he held the lock may not have heard.
  if (stale) return run.store.variables.kindOf(name) === kind ? { kind: "variable", call, refusal: ok(stale) } : stale;
  const refusal = checkNames(run, [name], kind);
  if (refusal) return refusal;
  register(step, run, [name], kind);
  return { kind: "variable", call };
}

/**
 * Refuses a hold that is over and that somebody else has had since, though that one has not written yet. Tokens of several
 * readers are all good while they hold.
 */
function staleFence(run: LoadedRun, { fence }: VariableCall): ToolRun | undefined {
  const { blocking } = run.state;
  if (!fence || run.store.variables.kindOf(fence.lock) !== "lock") return undefined;
  const newest = blocking.factsOf(fence.lock, "lock")?.token ?? 0;
  if (fence.token >= newest) return undefined;
  const isHeld = (n: number) =>
    run.state.task(n).holds.some((one) => one.token === fence.token && one.name === fence.lock);
  if ([...blocking.holdersOf(fence.lock)].some(isHeld)) return undefined;
  const message = `Token ${fence.token} of lock "${fence.lock}" is no longer held; ${newest} was granted since.`;
  return toolError("stale_fence", message, { newest });
}

export class VariableCalls {
  readonly #env: Env;
  readonly #uses: VariableUses;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(env: Env, uses: VariableUses) {
    this.#env = env;
    this.#uses = uses;
  }

  /** Resolves when no op is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** The op on the variable's object, and the log is owed it (variable-uses.ts). */
  async finish(run: LoadedRun, later: LaterRun, { id, by }: LaterOp): Promise<Reply<ToolRun>> {
    const began = Date.now();
    if (later.kind === "look") {
      const kind = run.store.variables.kindOf(later.variable)!;
      const view = await this.look(run, { name: later.variable, kind });
      if (kind === "atomic") this.#uses.looked(by, later.variable, Date.now() - began);
      // A task of the run works with what it sees; whoever asks from outside only looks.
      const isHidden = run.redact && id.task === undefined;
      return ok({ kind: "result", result: isHidden ? { ...view, state: { redacted: true } } : view });
    }
    if (run.isGone) return refuse({ code: "not_found", detail: "The run was deleted." });
    const { call, refusal } = later;
    if (refusal && !id.task && id.names.length === 0) return refusal;
    const object = variableStub(this.#env, run.tenant, run.id, call.name);
    const op = { tenant: run.tenant, run: run.id, life: run.life, call, id };
    const sent = refusal ? object.firstAnswer(op) : object.carryOut(op);
    this.#underWay.add(sent);
    try {
      const reply = (await sent) ?? refusal!;
      if (!reply.ok) return reply;
      if (!("answer" in reply.value)) return ok(reply.value);
      this.#uses.add(by, call, reply.value, Date.now() - began);
      const { bytes } = reply.value;
      // What it is asked for when the run is deleted meanwhile has no table to stand in.
      if (bytes !== undefined && !run.isGone) run.store.variables.noteBytes(call.name, bytes);
      return ok(toolRun(reply.value.answer));
    } catch (error) {
      // Thrown on, it would lose its marks and pass for a bug of the run's object.
      const fault = platformFaultOf(error);
      if (!fault) throw error;
      return refuse({
        code: faults[fault].problem,
        detail: `variable "${call.name}": ${platformDetail(fault, error)}`,
      });
    } finally {
      this.#underWay.delete(sent);
    }
  }

  async look(run: LoadedRun, variable: RegisteredVariable): Promise<VariableView> {
    const { name, kind } = variable;
    if (isBlockingKind(kind)) return blockingView(run, name, kind);
    return viewOf({ name, kind }, await variableStub(this.#env, run.tenant, run.id, name).look());
  }

  async deleteAll(
    run: Pick<LoadedRun, "tenant" | "life"> & { readonly id: string },
    variable: RegisteredVariable,
  ): Promise<void> {
    if (isBlockingKind(variable.kind)) return;
    await variableStub(this.#env, run.tenant, run.id, variable.name).deleteAll(run.life);
  }
}

/** A page of the run's variables, each asked for its state; ends early where their states grow large. */
export async function listVariables(
  run: LoadedRun,
  calls: VariableCalls,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Reply<Page<VariableView>>> {
  let after = placeOf(cursor);
  if (after === undefined) return badCursor;
  const rows: VariableView[] = [];
  let bytes = 0;
  for (;;) {
    const page = run.store.variables.page(after, Math.min(variablesAtOnce, limit - rows.length));
    const views = await Promise.all(page.map((variable) => calls.look(run, variable)));
    rows.push(...views);
    bytes += JSON.stringify(views).length;
    after = page.at(-1)?.seq ?? after;
    const more = page.length > 0 && run.store.variables.page(after, 1).length > 0;
    if (!more) return ok({ rows, nextCursor: null });
    if (rows.length >= limit || bytes >= pageBytesMax) return ok({ rows, nextCursor: String(after) });
  }
}

const toolRun = (answer: Answer): ToolRun =>
  "result" in answer
    ? { kind: "result", result: answer.result }
    : { kind: "error", error: { ...answer.error, hint: toolHints[answer.error.code] } };

/** A registered variable whose first op never reached it is as its kind begins. */
function viewOf({ name, kind }: { name: string; kind: DataKind }, look: VariableLook | undefined): VariableView {
  return {
    name,
    kind,
    state: cutFields(look?.state ?? show(kind, initialHead(kind)), inlineResultBytesMax),
    holders: [],
    waiters: [],
    ops: look?.ops ?? {},
    ops_since: look?.ops_since ?? null,
    created_at: look?.created_at ?? null,
  };
}
