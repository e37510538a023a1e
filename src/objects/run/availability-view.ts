/** How many calls of each model can be had, and what keeps a ready task back, as the wire shows it. */

import { type Limit, opensAt, room } from "../../availability/limit.ts";
import * as rates from "../../availability/rates.ts";
import type { AvailabilityView } from "../../contract/shapes.ts";
import { hostedPool, type Task } from "../../scheduler/task.ts";
import { simulatedModel } from "../../served-by.ts";
import type { LoadedRun } from "./loaded-run.ts";

export function availabilityView(run: LoadedRun, now: number): AvailabilityView[] {
  const { availability } = run.state;
  const models = availability
    .look()
    .filter(
      ({ limit, inFlight }) => inFlight > 0 || limit.why !== undefined || Number.isFinite(rates.room(limit.rates, now)),
    );
  const seats = availability.lookAtSeats();
  return [
    ...models.map(({ name, inFlight, limit }) => viewOf(modelName(run, name), inFlight, limit, now)),
    ...(seats.limit.why === undefined ? [] : [viewOf(null, seats.inFlight, seats.limit, now)]),
  ];
}

/** Of the run's newest context: all of a run's contexts have its head, unless it forked something older. */
function modelName(run: LoadedRun, name: string | undefined): string {
  if (name !== undefined) return name;
  const { credential, snapshot } = run.state.header;
  const { format, model } = run.store.tree.head(snapshot);
  return run.models.hosted(format, credential, model)?.model ?? model ?? format;
}

/**
 * What runs that call the model share its limit by; undefined: they share none. The simulated model refuses what a run's own scripts say, so
 * what one run finds is nothing to another, unless they name a model together.
 */
export function limitKey(run: LoadedRun, name: string | undefined): string | undefined {
  const model = modelName(run, name);
  if (model === simulatedModel) return undefined;
  return JSON.stringify([run.state.header.credential?.name ?? null, model]);
}

function viewOf(model: string | null, inFlight: number, limit: Limit, now: number): AvailabilityView {
  const left = rates.room(limit.rates, now);
  return {
    model,
    limit: Number.isFinite(limit.limit) ? Math.floor(limit.limit) : null,
    runs: limit.runs,
    in_flight: inFlight,
    calls: limit.calls,
    refused: limit.refused,
    why: limit.why ?? null,
    retry_after_ms: limit.retryAfterMs === undefined ? null : Math.round(limit.retryAfterMs),
    closed_until: limit.closedUntil > now ? Math.round(limit.closedUntil) : null,
    gap_ms: limit.gapMs > 0 ? Math.round(limit.gapMs) : null,
    left: Number.isFinite(left) ? left : null,
  };
}

/** What a ready task waits for, where it is its model; undefined: something else, or nothing. */
export function unavailableTo(
  run: LoadedRun,
  task: Task,
  now: number,
): { availability: string; until: number | null } | undefined {
  if (task.phase.state !== "ready" || task.pool !== hostedPool) return undefined;
  const of = run.state.availability.look().find(({ name }) => name === task.model);
  if (!of || room(of.limit, of.inFlight, now) > 0) return undefined;
  const until = opensAt(of.limit);
  return { availability: modelName(run, of.name), until: until > now ? Math.round(until) : null };
}
