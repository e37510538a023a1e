/**
 * The seeded simulation of the scheduler's core: safety after every command, liveness after faults stop.
 * More worlds: HEDDLE_SIM_SEEDS=5000. One world again: HEDDLE_SIM_SEED=<seed>.
 */

import { describe, expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { World, type WorldOptions } from "./world.ts";

const steps = 300;
const pinned: Record<string, number> = {
  "a retry cancels one dependency and revives another of the same task": 2707,
};

/** Runs one world to its end; a failure names the seed, the step and the last events. */
function run(seed: number, options: WorldOptions = {}): World {
  const world = new World(seed, options);
  let step = 0;
  try {
    for (; step < steps; step++) world.step();
    world.finish();
  } catch (error) {
    const last = world.log.slice(-12).map(({ seq, event }) => `  ${seq} ${JSON.stringify(event)}`);
    const how = `seed ${seed}, step ${step}; again with HEDDLE_SIM_SEED=${seed} npx vitest run test/sim`;
    throw new Error(`${how}\n${last.join("\n")}`, { cause: error });
  }
  return world;
}

const hard = [
  "attempt_ended lost",
  "attempt_ended restart",
  "attempt_ended transient",
  "cache_released bound",
  "cache_released first_token",
  "cache_released gone",
  "cache_released turn",
  "cache_warming",
  "call_blocked",
  "call_done settled",
  "call_done timed_out",
  "call_done deadlock",
  "actor_ended closed",
  "actor_ended expired",
  "actor_ended run_ended",
  "barrier_broken deadlock",
  "barrier_broken ended",
  "barrier_broken timed_out",
  "barrier_tripped",
  "context_compacted",
  "finding deadlock",
  "finding stall",
  "future_settled resolved",
  "lock_granted",
  "lock_released ended",
  "lock_released victim",
  "budget_noted",
  "message_received",
  "messages_popped",
  "messages_pushed",
  "permits_granted",
  "permits_released ended",
  "permits_released victim",
  "queue_closed",
  "finding unobserved_failure",
  "late_refused turn",
  "late_refused complete",
  "run_paused asked",
  "run_paused budget",
  "run_reopened",
  "run_ended succeeded",
  "run_ended failed",
  "run_ended cancelled",
  "task_ended skipped",
  "task_observed",
  "task_parked budget",
  "task_parked calls",
  "task_parked children",
  "task_ready budget",
  "task_ready wake",
  "task_retried asked",
  "task_retried dependency_retried",
  "task_retried parent_retried",
];

/** What worlds with remote tools reach beside. */
const hardRemote = [
  "call_done answered",
  "call_done timed_out",
  "late_refused tool_call",
  "tool_call_attempt_ended lost",
  "tool_call_attempt_ended restart",
  "tool_call_attempt_ended transient",
  "tool_call_progress",
  "tool_call_ready backoff",
  "tool_call_started",
  "task_ready wake",
  "actor_ended expired",
];

/** What worlds with rules reach beside. */
const hardRules = [
  "rule_fired",
  "rule_cleared",
  "rules_set run",
  "rules_set deployment",
  "run_paused rule",
  "worker_load",
  "task_ready budget",
  "run_reopened",
];

/** What worlds with groups and stand-ins reach beside. */
const hardScopes = [
  "group_decided failed",
  "group_decided met",
  "run_ended failed task_failed",
  "run_failing",
  "task_created compensation",
  "task_created fallback",
  "task_ended group_failed",
  "task_ended group_met",
  "task_fell_back",
  "task_retried group_retried",
];

/** What worlds with questions reach beside: how answers went, too. */
const hardQuestions = [
  "stall_extended",
  "answer done",
  "answer late",
  "answer unnamed",
  "cancel done",
  "cancel late",
  "decline done",
  "decline late",
  "extend done",
];

/** The event's type, and what tells its cases apart. */
function kindOf(event: SchedulerEvent): string {
  const fields = event as { why?: string; on?: string; state?: string; status?: string; kind?: string; op?: string };
  if (event.type === "rules_set") return `rules_set ${event.from}`;
  const paused = event.type === "run_paused" ? event.reason : undefined;
  const which = fields.why ?? fields.on ?? fields.state ?? fields.status ?? fields.kind ?? fields.op ?? paused;
  return which === undefined ? event.type : `${event.type} ${which}`;
}

const only = process.env.HEDDLE_SIM_SEED;
const count = Number(process.env.HEDDLE_SIM_SEEDS ?? 200);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

describe("the scheduler in a world of faults", () => {
  test.each(Object.entries(pinned))("%s (seed %i)", (_, seed) => {
    run(seed);
  });

  test(`keeps its rules in ${seeds.length} worlds`, { timeout: 60_000 + seeds.length * 500 }, () => {
    const seen = new Set<string>();
    for (const seed of seeds) for (const { event } of run(seed).log) seen.add(kindOf(event));
    // The worlds are worth their time only while they reach what is hard.
    if (seeds.length >= 200) expect(hard.filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test(`keeps them with remote tools in ${seeds.length} worlds`, { timeout: 60_000 + seeds.length * 500 }, () => {
    const seen = new Set<string>();
    for (const seed of seeds) for (const { event } of run(seed, { remoteTools: true }).log) seen.add(kindOf(event));
    if (seeds.length >= 200) expect(hardRemote.filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test(`keeps them under rules in half as many`, { timeout: 60_000 + seeds.length * 500 }, () => {
    const seen = new Set<string>();
    for (const seed of seeds.slice(0, Math.ceil(seeds.length / 2)))
      for (const { event } of run(seed, { rules: true, scopes: seed % 4 === 0 }).log) seen.add(kindOf(event));
    if (seeds.length >= 200) expect(hardRules.filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test(`keeps them where somebody outside is asked, in half as many`, {
    timeout: 60_000 + seeds.length * 500,
  }, () => {
    const seen = new Set<string>();
    for (const seed of seeds.slice(0, Math.ceil(seeds.length / 2))) {
      const world = run(seed, { questions: true, scopes: seed % 4 === 0, remoteTools: seed % 4 === 1 });
      for (const { event } of world.log) seen.add(event.type);
      for (const how of world.answers.keys()) seen.add(how);
    }
    if (seeds.length >= 200) expect(hardQuestions.filter((kind) => !seen.has(kind))).toEqual([]);
  });

  test(`keeps them with groups and stand-ins in ${seeds.length} worlds`, {
    timeout: 60_000 + seeds.length * 500,
  }, () => {
    const seen = new Set<string>();
    for (const seed of seeds) {
      for (const { event } of run(seed, { scopes: true }).log) {
        seen.add(kindOf(event));
        if (event.type === "group_decided") seen.add(`group_decided ${event.verdict}`);
        if (event.type === "task_created" && event.stands_in) seen.add(`task_created ${event.stands_in.why}`);
        if (event.type === "task_ended" && event.error) seen.add(`task_ended ${event.error.code}`);
        if (event.type === "run_ended") seen.add(`run_ended ${event.status} ${event.reason}`);
      }
    }
    if (seeds.length >= 200) expect(hardScopes.filter((kind) => !seen.has(kind))).toEqual([]);
  });
});
