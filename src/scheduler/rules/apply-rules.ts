/** The part of `apply` about rules: which there are, what became of them, and what their conditions look at. */

import { faults } from "../../errors/faults.ts";
import { ruleLoadsMax, ruleStartsMax, ruleWindowParts, secondMs } from "../../limits.ts";
import type { Condition } from "../../rules/rule.ts";
import type { EventOf, Limits, SchedulerEvent } from "../events.ts";
import type { RunState } from "../state.ts";
import { limitsUnder, type RunRule, type RunRules } from "./run-rules.ts";

/** A rule that was there before keeps what became of it, and what was seen stays seen. */
export function setRules(state: RunState, { from, rules: placed }: EventOf<"rules_set">): void {
  const { header } = state;
  const before = header.rules;
  const given = before?.given ?? header.limits;
  const others = before?.rules.filter((rule) => rule.from !== from) ?? [];
  const rules: RunRule[] = [...others, ...placed.map((rule) => ({ ...rule, from }))];
  if (rules.length === 0) {
    delete header.rules;
    header.limits = given;
  } else {
    const known = new Map(before?.rules.map((rule, i) => [nameOf(rule), before.firings[i]]));
    const kept = rules.flatMap((rule, i) => {
      const firing = known.get(nameOf(rule));
      return firing ? [[i, firing] as const] : [];
    });
    header.limits = limitsUnder(header, given, rules);
    header.rules = {
      given,
      rules,
      firings: Object.fromEntries(kept),
      calls: windowsOf(rules, "provider_errors", before?.calls),
      starts: windowsOf(rules, "queue_wait_p95", before?.starts),
      loads: before?.loads ?? {},
    };
  }
  state.openBook();
}

const nameOf = ({ from, rule }: RunRule): string => `${from} ${JSON.stringify(rule)}`;

function windowsOf<Seen>(
  rules: readonly RunRule[],
  metric: Condition["metric"],
  before: Record<number, Seen[]> | undefined,
): Record<number, Seen[]> {
  const windows = rules.flatMap(({ rule }) => (rule.kind === "when" && rule.metric === metric ? [rule.windowMs!] : []));
  return Object.fromEntries(windows.map((window) => [window, before?.[window] ?? []]));
}

export function fire(state: RunState, event: EventOf<"rule_fired" | "rule_cleared">): void {
  const { rules, changedAt: at } = state.header;
  if (!rules) return;
  const on = event.type === "rule_fired";
  const times = rules.firings[event.rule]?.times ?? 0;
  rules.firings[event.rule] = { on, level: event.level ?? 0, at, times: times + (on ? 1 : 0) };
  state.book?.refresh(state.header);
}

/** The run's own limits have changed: the rules hold over them as before. */
export function changeLimits(state: RunState, { tokens, nanos }: EventOf<"limits_changed">): void {
  const { header } = state;
  const given: Limits = { ...(header.rules?.given ?? header.limits), tokens, ...(nanos !== undefined && { nanos }) };
  if (!header.rules) {
    header.limits = given;
    return;
  }
  header.rules = { ...header.rules, given };
  header.limits = limitsUnder(header, given, header.rules.rules);
  state.book?.refresh(header);
}

/** Of a pull worker; the one that was heard of longest ago is forgotten first. */
export function noteLoad(state: RunState, { pool, worker, percent }: EventOf<"worker_load">): void {
  const { rules, changedAt: at } = state.header;
  if (!rules) return;
  const { loads } = rules;
  const name = `${pool}/${worker}`;
  delete loads[name];
  loads[name] = { pool, at, percent };
  const names = Object.keys(loads);
  if (names.length > ruleLoadsMax) delete loads[names[0]!];
}

/**
 * How the call of a model went that ends with this event; ask before the event changes the task. Undefined: none does. Whose seat is not
 * Heddle's makes calls that nobody here sees, and what he calls his errors is up to him.
 */
export function modelCallIn(state: RunState, event: SchedulerEvent): "through" | "failed" | undefined {
  switch (event.type) {
    case "turn":
      return isHosted(state, event.task) ? "through" : undefined;
    // One that waited for its fallback ends with its own old error, whose call was counted when it fell back.
    case "attempt_ended":
    case "task_fell_back":
    case "task_ended":
      return isProviderError(event.error?.code) && isHosted(state, event.task) ? "failed" : undefined;
    default:
      return undefined;
  }
}

function isHosted(state: RunState, n: number): boolean {
  const { phase } = state.task(n);
  return phase.state === "running" && phase.hosted;
}

/** What an event means to the conditions; call it before the event changes the task. */
export function observe(state: RunState, rules: RunRules, event: SchedulerEvent): void {
  const { changedAt: at } = state.header;
  switch (event.type) {
    case "task_started": {
      const { phase } = state.task(event.task);
      if (phase.state !== "ready") return;
      for (const [window, starts] of windows(rules.starts)) {
        drop(starts, at - window);
        starts.push([at, Math.max(0, at - phase.since)]);
        if (starts.length > ruleStartsMax) starts.shift();
      }
      return;
    }
    case "turn":
    case "attempt_ended":
    case "task_fell_back":
    case "task_ended": {
      const call = modelCallIn(state, event);
      if (call) count(rules, at, call === "failed");
      return;
    }
    default:
      return;
  }
}

/** Calls within a part of the window are one entry. */
function count(rules: RunRules, at: number, failed: boolean): void {
  for (const [window, calls] of windows(rules.calls)) {
    drop(calls, at - window);
    const last = calls.at(-1);
    if (last && at - last[0] < Math.max(secondMs, window / ruleWindowParts))
      calls[calls.length - 1] = [last[0], last[1] + 1, last[2] + (failed ? 1 : 0)];
    else calls.push([at, 1, failed ? 1 : 0]);
  }
}

const windows = <Seen>(of: Record<number, Seen[]>): (readonly [number, Seen[]])[] =>
  Object.entries(of).map(([window, seen]) => [Number(window), seen]);

function drop(seen: (readonly [number, ...number[]])[], until: number): void {
  let gone = 0;
  while (gone < seen.length && seen[gone]![0] <= until) gone++;
  seen.splice(0, gone);
}

/** A call was made, and the provider is to blame. */
function isProviderError(code: string | undefined): boolean {
  if (code === undefined || !Object.hasOwn(faults, code)) return false;
  return faults[code as keyof typeof faults].at === "provider" && code !== "no_provider" && code !== "context_too_long";
}
