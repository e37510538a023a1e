/** The wire's picture of a run, its tasks and events. Reads only. */

import { remoteToolView } from "../../contract/remote-tools.ts";
import type {
  ErrorView,
  EventView,
  LimitsView,
  RunView,
  TaskView,
  ToolWait,
  WaitingOn,
} from "../../contract/shapes.ts";
import { questionIdOf, toolCallIdOf } from "../../ids.ts";
import { runWarmMsDefault } from "../../limits.ts";
import { picosPerUsd, usdOf } from "../../prices/price.ts";
import { sentenceOf } from "../../rules/print.ts";
import { startableIn } from "../../scheduler/attempts.ts";
import { freeNanos, freeTokens } from "../../scheduler/budget.ts";
import type { ErrorData, Limits, UsageDelta } from "../../scheduler/events.ts";
import { standInOf } from "../../scheduler/fallbacks.ts";
import { groupOf, verdictOf } from "../../scheduler/groups.ts";
import { isOpenCall, type OpenCall } from "../../scheduler/open-calls.ts";
import { isStalled, openAsk, openAsks } from "../../scheduler/questions.ts";
import { redacted, redactedLabels, redactedText } from "../../scheduler/redaction.ts";
import { workersUnder } from "../../scheduler/rules/run-rules.ts";
import type { RunState } from "../../scheduler/state.ts";
import { hasFallenBack, hostedPool, messagesTo, type Task } from "../../scheduler/task.ts";
import { isExternal, toolOf, type Want } from "../../scheduler/want.ts";
import { heldFor } from "../../scheduler/warming.ts";
import type { LoggedEvent } from "../../storage/run/event-codec.ts";
import type { IndexWord } from "../rpc.ts";
import { availabilityView, unavailableTo } from "./availability-view.ts";
import { createdEventOf, errorOf, resultOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { cacheView, runUsage, taskUsage } from "./money.ts";
import { rulesView } from "./rules.ts";

const limitsView = (limits: Limits): LimitsView => ({
  workers: limits.workers,
  tasks: limits.tasks,
  depth: limits.depth,
  children: limits.children,
  tokens: limits.tokens || null,
  usd: limits.nanos ? usdOf(limits.nanos) : null,
  timeout_ms: limits.timeoutMs,
  hold_ms: limits.holdMs || null,
  stall_ms: limits.stallMs,
  warm_ms: limits.warmMs ?? runWarmMsDefault,
  pools: [...limits.pools],
});

export function runView(run: LoadedRun, seatTarget: number, now: number): RunView {
  const { header } = run.state;
  const usage = runUsage(run);
  return {
    id: run.id,
    name: header.name || null,
    status: header.status,
    reason: header.reason || null,
    idle: run.state.liveCount() === 0,
    snapshot: header.snapshot,
    format: run.store.tree.head(header.snapshot).format,
    credential: header.credential?.name ?? null,
    root: header.root > 0 ? run.taskId(header.root) : null,
    counts: { ...header.counts },
    seats: { open: run.state.working, target: seatTarget, ...boundOf(run.state) },
    quota: header.quota ?? null,
    limits: limitsView(header.limits),
    tools: Array.from(run.tools.values(), remoteToolView),
    redact: run.redact,
    usage: { ...usage, tokens: header.inputTokens + header.outputTokens },
    cost: usage.cost_usd,
    unpriced_models: [...(header.unpricedModels ?? [])],
    cache: cacheView(run, now),
    rules: rulesView(run.state),
    availability: availabilityView(run, now),
    findings: header.findings,
    questions: openAsks(run.state).length + (isStalled(run.state) ? 1 : 0),
    last_seq: header.seq,
    created_at: header.createdAt,
    ended_at: header.endedAt || null,
    retention_days: run.retentionDays,
    expires_at: run.expiresAt,
  };
}

export const indexWord = ({ state: { header }, expiresAt, isImported }: LoadedRun): IndexWord => ({
  status: header.status,
  ended_at: header.endedAt || null,
  expires_at: expiresAt,
  last_seq: header.seq,
  ...(isImported && { imported: { name: header.name || null, created_at: header.createdAt } }),
});

export function taskView(run: LoadedRun, task: Task): TaskView {
  const created = createdEventOf(run, task);
  return {
    id: run.taskId(task.n),
    key: task.key ?? null,
    title: created.title ?? null,
    state: task.phase.state,
    priority: task.priority,
    effective_priority: task.effective,
    pool: task.pool,
    parent: task.parent > 0 ? run.taskId(task.parent) : null,
    depth: task.depth,
    generation: task.generation,
    attempts: task.attempts,
    turns: task.turns,
    after: task.after.map((n) => run.taskId(n)),
    labels: { ...created.labels },
    result: resultOf(run, task),
    error: errorOf(run, task),
    usage: taskUsage(task),
    timings: {
      created_at: task.createdAt,
      ready_at: task.readyAt || null,
      started_at: task.startedAt || null,
      ended_at: task.endedAt || null,
    },
    waiting_on: waitingOn(run, task),
    progress: run.progress.of(task),
    pending_messages: messagesTo(task).length,
    children_failed: task.childrenFailed,
    group: groupView(run, task),
    stand_in: standInId(run, task),
    stands_in_for: task.scope?.standsIn ? { task: run.taskId(task.parent), why: task.scope.standsIn.why } : null,
    fork: {
      snapshot: task.base,
      mode: created.fork,
      ...(created.fork_why !== undefined && { reason: created.fork_why }),
    },
  };
}

/** As `taskView`, for who only looks at a redacted run. */
export function lookedAtTask(run: LoadedRun, task: Task): TaskView {
  const view = taskView(run, task);
  const { waiting_on: waits, progress } = view;
  const { message: _, ...numbers } = progress ?? {};
  return {
    ...view,
    title: null,
    labels: redactedLabels(view.labels),
    result: view.result === null ? null : redactedText,
    error: view.error && redactedError(view.error),
    progress: progress && { at: progress.at, ...numbers },
    waiting_on: lookedAtWait(waits),
  };
}

function lookedAtWait(waits: WaitingOn): WaitingOn {
  if (waits && "tools" in waits) return { tools: waits.tools.map(({ progress: _, ...call }) => call) };
  return waits && "ask" in waits ? { ...waits, ask: redactedText } : waits;
}

/** Down to the first cause. */
const redactedError = ({ cause, ...error }: ErrorView): ErrorView => ({
  ...error,
  message: redactedText,
  ...(cause && { cause: { ...cause, error: redactedError(cause.error) } }),
});

function standInId(run: LoadedRun, task: Task): string | null {
  const n = standInOf(run.state, task)?.n;
  return n === undefined ? null : run.taskId(n);
}

function groupView(run: LoadedRun, task: Task): TaskView["group"] {
  const group = groupOf(run.state, task);
  if (!group) return null;
  const { name, require, succeeded, ended, members } = group;
  return { name, state: verdictOf(group), require, succeeded, ended, size: members.length };
}

/** The tool and the op that wait. */
export const waitOpOf = (want: Want): string => {
  const ops = { lock: "acquire", semaphore: "acquire", barrier: "wait", push: "push", pop: "pop", future: "await" };
  return `${toolOf(want)}.${ops[want.kind]}`;
};

export function waitingOn(run: LoadedRun, task: Task): WaitingOn {
  const { phase } = task;
  if (phase.state === "waiting") {
    if (phase.until > 0) return { backoff_until: phase.until };
    return { tasks: task.after.filter((n) => run.state.live(n)).map((n) => run.taskId(n)) };
  }
  if (hasFallenBack(task)) return { fallback: standInId(run, task)! };
  if (phase.state === "parked" && phase.on === "children") return { children: task.liveChildren };
  if (phase.state === "parked" && phase.on === "budget") {
    const { need, nanos } = phase;
    return { budget: true, needs: { tokens: need, usd: nanos ? usdOf(nanos) : null } };
  }
  const held = heldFor(run.state, task);
  if (held) return { cache_warming: run.taskId(held.warmer), until: held.until };
  const unavailable = unavailableTo(run, task, run.state.availability.now);
  if (unavailable) return unavailable;
  const open = task.calls.filter(isOpenCall);
  if (open.length > 0) return { tools: open.map((call) => toolWait(run, call)) };
  const call = task.calls.find((one) => one.state === "waiting");
  if (call?.state !== "waiting") return null;
  if (call.want) {
    const { want, since, seq } = call;
    return {
      ...{ variables: [...want.names], op: waitOpOf(want), since, ...(call.until > 0 && { until: call.until }) },
      ...(isExternal(want) && externalWait(run, seq)),
    };
  }
  return {
    tasks: call.targets.filter((n) => run.state.live(n)).map((n) => run.taskId(n)),
    mode: call.mode,
    ...(call.until > 0 && { until: call.until }),
  };
}

function externalWait(run: LoadedRun, seq: number): { external: true; ask?: string; question?: string } {
  const ask = askOf(run, seq);
  return {
    external: true,
    ...(ask !== undefined && { ask }),
    ...(openAsk(run.state, seq) && { question: questionIdOf(run.id, seq) }),
  };
}

/** What the task asks whom it waits for. */
export function askOf({ store }: LoadedRun, seq: number): string | undefined {
  const event = store.log.event(seq);
  return event?.type === "call_waiting" ? event.ask : undefined;
}

function toolWait(run: LoadedRun, { id, seq, since, until, remote }: OpenCall): ToolWait {
  const { tool, phase, attempts, progress, progressAt } = remote;
  const report = progress > 0 ? (run.store.log.body(progress) as { progress: object }).progress : undefined;
  return {
    id: toolCallIdOf(run.id, seq),
    tool,
    call: id,
    state: phase.state,
    since,
    until,
    attempts,
    ...(phase.state === "running" && { worker: phase.worker }),
    ...(report && { progress: { at: progressAt, ...report } }),
  };
}

const usageView = (usage: UsageDelta) => ({
  input_tokens: usage.in,
  output_tokens: usage.out,
  cache_read_tokens: usage.read,
  cache_write_tokens: usage.write,
  ...(usage.model !== undefined && { model: usage.model }),
  ...(usage.nanos !== undefined && { cost_usd: usdOf(usage.nanos) }),
  ...(usage.simulated && { simulated: true }),
});

/** Fields of events that hold task numbers, for the wire to show ids instead. */
const numberFields = [
  ...["parent", "targets", "subjects", "after", "tasks", "members", "followers", "by", "actor"],
] as const;

export function eventView(run: LoadedRun, logged: LoggedEvent, seq: number, at: number): EventView {
  const event = run.redact ? redacted(logged) : logged;
  const { type, causes = [], ...fields } = event;
  const { task, error, ...rest } = fields as Record<string, unknown> & { task?: number; error?: ErrorData };
  const view: EventView = {
    seq,
    at,
    type,
    causes: [...causes],
    ...(task !== undefined && { task: run.taskId(task) }),
    ...rest,
  };
  const idOf = (n: unknown) => (typeof n === "number" && n !== 0 ? run.taskId(n) : null);
  for (const name of numberFields) {
    const value = rest[name];
    if (value !== undefined) view[name] = Array.isArray(value) ? value.map(idOf) : idOf(value);
  }
  if (event.type === "call_waiting" && event.want?.kind === "barrier")
    view.want = { ...event.want, members: event.want.members.map(idOf) };
  if (event.type === "call_waiting" && event.task > 0 && isExternal(event.want))
    view.question = questionIdOf(run.id, seq);
  if (event.type === "variables_used")
    view.uses = event.uses.map(({ task, ...use }) => ({ ...(task !== undefined && { task: idOf(task) }), ...use }));
  if (event.type === "rules_set") view.rules = event.rules.map(({ line, rule }) => ({ line, rule: sentenceOf(rule) }));
  if (event.type === "run_created") view.limits = limitsView(event.limits);
  if ("usage" in event && event.usage) view.usage = usageView(event.usage);
  // Money is dollars on the wire.
  if ("nanos" in event && event.nanos !== undefined) {
    view.usd = usdOf(event.nanos);
    delete view.nanos;
  }
  if (event.type === "lineage_begun") view.gain = event.gain / picosPerUsd;
  if (error) {
    const { code, message, because } = error;
    view.error = { code, message, ...(because && { because: run.taskId(because) }) };
  }
  return view;
}

/** How many hosted tasks may work at once now, and what says so. */
function boundOf(state: RunState): Pick<RunView["seats"], "most" | "bound_by"> {
  const share = state.told ?? state.header.share;
  if (share && share.seats < state.workers) return { most: share.seats, bound_by: share.why };
  const byRule = state.header.rules && workersUnder(state.header).by !== undefined;
  return { most: state.workers, bound_by: byRule ? "rules" : "limits" };
}

/** Seats that the run can use now: working ones and one for each ready hosted task, within what limits, providers and the platform allow. */
export function seatTarget(run: LoadedRun, now: number): number {
  const { header } = run.state;
  if (header.status !== "active") return 0;
  return Math.min(run.state.workers, run.state.working + startableIn(run.state, hostedPool, now));
}

export function budgetLeft({ state }: LoadedRun): { tokens: number | null; usd: number | null } {
  const nanos = freeNanos(state);
  return { tokens: freeTokens(state) ?? null, usd: nanos === undefined ? null : usdOf(nanos) };
}
