/** The first command of a run: tables, head of its context, limits, and the hosted main agent if there is one. */

import { slipIn } from "../../context/slips.ts";
import { toolsText } from "../../contract/remote-tools.ts";
import type { RunView } from "../../contract/shapes.ts";
import { Fault } from "../../errors/fault.ts";
import * as limits from "../../limits.ts";
import { nanosOf } from "../../prices/price.ts";
import { createTasks } from "../../scheduler/create-tasks.ts";
import type { Limits } from "../../scheduler/events.ts";
import { evaluateRules, replaceRules } from "../../scheduler/rules/evaluate.ts";
import { namedLimits } from "../../scheduler/rules/run-rules.ts";
import { Step } from "../../scheduler/step.ts";
import type { CreateRunInput, Idem, LimitsInput, Reply } from "../rpc.ts";
import { forkAll } from "./forks.ts";
import { pricesName } from "./loaded-run.ts";
import { slipFault } from "./outside-calls.ts";
import { holdToDeployment, holdToTenant } from "./rules.ts";
import type { RunShell } from "./shell.ts";
import { runView, seatTarget } from "./views.ts";

export const limitsOf = (input: LimitsInput): Limits => ({
  workers: input.workers ?? limits.runWorkersDefault,
  tasks: input.tasks ?? limits.runTasksDefault,
  depth: input.depth ?? limits.runDepthDefault,
  children: input.children ?? limits.runChildrenDefault,
  tokens: input.tokens ?? 0,
  timeoutMs: input.timeout_ms ?? limits.runTimeoutMsDefault,
  holdMs: input.hold_ms ?? 0,
  stallMs: input.stall_ms ?? limits.runStallMsDefault,
  ...(input.usd !== undefined && { nanos: nanosOf(input.usd) }),
  ...(input.warm_ms !== undefined && { warmMs: input.warm_ms }),
  pools: input.pools ?? [],
});

/** What a request under this key was answered with, whatever has become since of what it was made from; null: there is no run. */
export function createdBefore(shell: RunShell, idem: Idem): Reply<RunView | null> {
  if (!shell.load()) return { ok: true, value: null };
  return shell.command<RunView>(() => ({ ok: false, fault: { code: "idempotency_mismatch" } }), idem);
}

/** Creates the run once: a repeat with the same Idempotency-Key gets the first answer, any other finds it taken. */
export function createRun(shell: RunShell, input: CreateRunInput, idem: Idem | undefined): Reply<RunView> {
  if (shell.load()) {
    if (idem) return shell.command<RunView>(() => ({ ok: false, fault: { code: "idempotency_mismatch" } }), idem);
    return { ok: false, fault: { code: "internal", detail: "A run of this id exists." } };
  }
  // What was here is being deleted, or an import is under way: neither is a run, and neither may become another one.
  if (shell.isTaken) return { ok: false, fault: { code: "overloaded", detail: "A run of this id is being deleted." } };
  let created: { run: ReturnType<RunShell["create"]>; reply: Reply<RunView>; ended: readonly number[] };
  try {
    created = shell.transaction(() => begin(shell, input, idem));
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: error.data };
    throw error;
  }
  shell.follow(created.run, created.ended);
  return created.reply;
}

/** More leases than a run grants in a millisecond: an earlier run of the same id, which was deleted, has not come up to here. */
const fencesPerMs = 16;
/** Starts anew after some eighteen hours, so that fences stay short: each fork's log has them. No lease of a deleted run lasts that long. */
const fencesAbove = (now: number): number => (now * fencesPerMs) % 2 ** 30;

function begin(shell: RunShell, input: CreateRunInput, idem: Idem | undefined) {
  const run = shell.create({
    tenant: input.tenant,
    run: input.run,
    ...(input.key !== undefined && { key: input.key }),
  });
  if (input.prices !== undefined) run.store.setMeta(pricesName, input.prices);
  const { messages, ...given } = input.context;
  const { tools = [] } = input;
  // Written out once: what later versions of Heddle call their tools must not change the prefix of this run's requests.
  const head =
    given.tools === undefined && tools.length > 0 ? { ...given, tools: toolsText(given.format, tools) } : given;
  // Those of another run are as that one has them: only what enters is judged.
  const slip = input.steps ? undefined : slipIn(given.format, messages);
  if (slip) throw Fault.of(slipFault(slip, "context."));
  // One step, unless the messages came from another run in several: appended alike they are the same snapshot.
  const steps = input.steps ?? [messages];
  const units = steps.flat().reduce((sum, message) => sum + message.length, JSON.stringify(head).length);
  if (units > limits.contextBytesMax) throw new Fault("context_too_large");
  const root = run.store.tree.putHead(head);
  const snapshot = steps.reduce((at, step) => run.store.tree.append(at, step), root);
  const step = new Step(run.state, shell.now());
  const named = namedLimits.filter((limit) => input.limits[limit] !== undefined);
  run.store.log.stage(step.decided);
  step.emit(
    {
      type: "run_created",
      limits: limitsOf(input.limits),
      snapshot,
      ...(named.length > 0 && { named }),
      ...(input.name && { name: input.name }),
      ...(input.from && { from: input.from }),
      ...(input.credential && { credential: input.credential }),
      ...(input.retentionDays !== undefined && { retention_days: input.retentionDays }),
      ...(input.redact && { redact: true as const }),
      ...(input.failFast && { fail_fast: true }),
      fences_above: fencesAbove(step.now),
    },
    tools.length > 0 ? { tools } : undefined,
  );
  if (input.webhook) {
    shell.webhooks.set(run, input.webhook, step.now, 0);
    step.emit({ type: "webhook_set", events: input.webhook.events });
  }
  if (shell.rules?.ok === false) {
    const { line, message } = shell.rules.errors[0]!;
    throw new Fault("not_ready", `HEDDLE_RULES, line ${line}: ${message}`);
  }
  holdToDeployment(step, shell.rules);
  if (input.tenantRules) holdToTenant(step, run, input.tenantRules);
  if (input.rules) replaceRules(step, "run", input.rules.rules, input.rules.text);
  const notes = [...(input.notes ?? [])];
  if (input.root) {
    // A refusal must leave no run behind: the fault rolls the transaction back.
    const forked = forkAll(run, { base: snapshot, callId: undefined, creator: undefined, root: true }, [input.root]);
    if (!forked.ok) throw Fault.of(forked.fault);
    notes.push(...forked.notes);
    const outcome = createTasks(step, undefined, [{ ...forked.tasks[0]!, root: true }], run.numberOf);
    if (!outcome.ok) throw Fault.of(outcome.refusal);
  }
  evaluateRules(step);
  shell.append(run, step);
  const view = { ...runView(run, seatTarget(run, step.now), step.now), ...(notes.length > 0 && { notes }) };
  const reply: Reply<RunView> = { ok: true, value: view };
  if (idem) run.store.putOutcome(idem, JSON.stringify(reply.value), step.now);
  return { run, reply, ended: step.ended };
}
