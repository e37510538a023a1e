/**
 * What a run may have under way of each model and of the platform's seats, by what calls that are made anyway tell.
 *
 * Owns: one limiter a model (availability/limit.ts) and one for seats, how many calls of each are under way, what is told of them.
 * Does not own: how a limit moves, how a call's outcome is known (agent/models), which task goes first (pool-queue.ts).
 *
 * V1. A ready task whose model is at its limit is passed over, as one whose label is (L1): it stays ready, keeps its place, no seat
 *     is opened for it, and others of other models go on.
 * V2. A lease stands for a call: a task takes its place with its lease and gives it back with it. One that has more turns gives
 *     its lease back at a turn's end while there are more than the limit, or while the provider wants to be left alone.
 * V3. Limiters are volatile, since an observation a call in the log would cost more than it tells. The log has the steps that are worth
 *     telling, and no more than one in `availabilityToldEveryMs`; an object that was loaded anew goes on from the last one.
 * V4. A refusal out of a crowd, `refusedCrowdMin` calls of the model and more, or beside other runs' calls (V6), is the crowd's doing: its
 *     task uses up none of its retries, `refusalsUncountedMax` times between two turns. Any other counts: with few calls it is the task
 *     that is refused.
 * V5. Trouble with seats is a crowd's too: one that is late or lost is replaced anyway, and says nothing of how many are too many.
 *     Late are seats of which as many have not opened in time as make a crowd, and half of those asked for.
 * V6. What a credential takes of a model is shared by the runs of its tenant that call it at once: each tells its limits while it calls,
 *     and takes its share of them all (availability/limit-book.ts). No task waits for that, and while nobody answers each goes by its own.
 */

import { begin, type Limit, noLimit, observe, opensAt, room, type Shared, share } from "../availability/limit.ts";
import type { Observation, Trouble } from "../availability/observation.ts";
import {
  availabilityStepMs,
  availabilityToldEveryMs,
  availabilityToldPart,
  leaseMs,
  modelsLimitedMax,
  refusedCrowdMin,
  seatOpenMs,
  turnPauseMs,
} from "../limits.ts";
import type { AvailabilityTold } from "./events.ts";
import type { Labels } from "./pool-queue.ts";
import { shareOf } from "./seat-shares.ts";
import { isRunEnded, type RunHeader, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, type Task } from "./task.ts";

type Told = AvailabilityTold & { readonly at: number };

/** What has a limiter: a model, or the platform's seats. */
interface Limited {
  readonly of: "model" | "seats";
  /** Of a model, as tasks name it. */
  readonly name: string | undefined;
  /** Made when it is asked for: an object that is loading has not read yet what was told last. */
  limit: Limit | undefined;
  /** Something was observed since it was looked at for news. */
  seen: boolean;
}

interface Model extends Limited {
  /** As a lane's label: below zero, since rules' labels are not. */
  readonly place: Labels;
  inFlight: number;
}

export interface Wanted {
  readonly name: string | undefined;
  readonly inFlight: number;
  readonly limit: Limit;
  readonly wanted: number;
}

export interface Called extends Omit<Observation, "at" | "inFlight"> {}

export class Availability {
  readonly #header: RunHeader;
  readonly #models: Model[] = [];
  readonly #byName = new Map<string | undefined, Model>();
  readonly #seats: Limited = { of: "seats", name: undefined, limit: undefined, seen: false };
  /** Seats that were asked for and have not opened. */
  #openings = 0;
  /** Of the last command. */
  now = 0;

  constructor(header: RunHeader) {
    this.#header = header;
    this.#modelOf(undefined);
  }

  /** `name`, as the one string that others have. */
  sameName(name: string): string {
    return this.#byName.get(name)?.name ?? name;
  }

  placeOf(task: Task): Labels {
    return this.#modelOf(task.model).place;
  }

  count(task: Task, change: 1 | -1): void {
    if (task.pool === hostedPool) this.#modelOf(task.model).inFlight += change;
  }

  roomOf(labels: Labels, now: number): number {
    const model = this.#modelAt(labels);
    return model ? room(this.#limitOf(model), model.inFlight, now) : Number.POSITIVE_INFINITY;
  }

  /** For all models together. */
  seatRoom(): number {
    return Math.max(0, Math.floor(this.#limitOf(this.#seats).limit) - this.#inFlight());
  }

  /** The task makes a call, its first in this lease or another. */
  begin(task: Task, now: number): void {
    const model = this.#modelOf(task.model);
    model.limit = begin(this.#limitOf(model), now);
  }

  /** A call of the task has ended. Answers whether it was refused out of a crowd (V4). */
  observe(task: Task, called: Called, now: number): boolean {
    const model = this.#modelOf(task.model);
    const before = this.#limitOf(model);
    const { inFlight } = model;
    model.limit = observe(before, { ...called, at: now, inFlight });
    model.seen = true;
    const isRefused = called.outcome === "rate_limited" || called.outcome === "overloaded";
    const crowd = called.begunAt <= before.cutAt ? Math.max(inFlight, before.ceiling) : inFlight;
    return isRefused && (crowd >= refusedCrowdMin || before.runs > 1);
  }

  /** V2: at the end of a turn of a task that would go on. */
  mustYield(task: Task, now: number): boolean {
    const model = this.#modelOf(task.model);
    const { limit, closedUntil } = this.#limitOf(model);
    return (
      model.inFlight > limit || closedUntil > now + turnPauseMs || this.#inFlight() > this.#limitOf(this.#seats).limit
    );
  }

  /** A seat opened in time, or came to the end of a turn. */
  seatWorked(now: number, tookMs: number): void {
    this.#observeSeats(now, "through", tookMs);
  }

  /** All leases that an isolate had are lost within one term. */
  seatLost(now: number): void {
    this.#observeSeats(now, "leases_lost", leaseMs);
  }

  /** So many of those asked for have not opened in time (V5). */
  seatsLate(now: number, late: number): void {
    if (late >= refusedCrowdMin && 2 * late >= this.#openings) this.#observeSeats(now, "seats_late", seatOpenMs);
  }

  objectSlow(now: number, tookMs: number): void {
    this.#observeSeats(now, "object_slow", tookMs);
  }

  set openings(count: number) {
    this.#openings = count;
  }

  #observeSeats(at: number, outcome: "through" | Trouble, tookMs: number): void {
    const before = this.#limitOf(this.#seats);
    if (outcome === "through" && before === noLimit) return;
    const inFlight = this.#inFlight() + this.#openings;
    if (outcome !== "through" && inFlight < refusedCrowdMin) return;
    this.#seats.limit = observe(before, { at, begunAt: at - tookMs, inFlight, outcome });
    this.#seats.seen = true;
  }

  /** What is worth telling, at the end of a command. */
  *news(now: number): Generator<AvailabilityTold> {
    this.now = now;
    const told = this.#newsOf(this.#seats, this.#inFlight(), now);
    if (told) yield told;
    for (const model of this.#models) {
      const told = this.#newsOf(model, model.inFlight, now);
      if (told) yield told;
    }
  }

  #newsOf(limited: Limited, inFlight: number, now: number): AvailabilityTold | undefined {
    if (!limited.seen) return undefined;
    limited.seen = false;
    const { of, name } = limited;
    const limit = this.#limitOf(limited);
    if (limit.why === undefined) return undefined;
    const before = this.#told(limited);
    const whole = limitOf(limit);
    if (before && now < before.at + availabilityToldEveryMs) return undefined;
    if (before && !isNews(before, whole, limit.closedUntil, now)) return undefined;
    return {
      of,
      ...(name !== undefined && { model: name }),
      ...(whole !== undefined && { limit: whole }),
      ...(limit.ceiling > 0 && { ceiling: limit.ceiling }),
      in_flight: inFlight,
      calls: limit.calls,
      refused: limit.refused,
      why: limit.why,
      ...(limit.retryAfterMs !== undefined && { retry_after_ms: Math.round(limit.retryAfterMs) }),
      ...(limit.closedUntil > now && { until: Math.round(limit.closedUntil) }),
      ...(limit.gapMs > 0 && { gap_ms: Math.round(limit.gapMs) }),
    };
  }

  /** The next time at which time alone lets somebody of these lanes begin; undefined: nobody waits for that. */
  dueAt(waiting: Iterable<readonly [Labels, number]>): number | undefined {
    let due: number | undefined;
    for (const [labels] of waiting) {
      const model = this.#modelAt(labels);
      if (!model) continue;
      const at = opensAt(this.#limitOf(model));
      // Never at once: a clock that rings for each of many calls costs more than it gains.
      if (at > this.now) due = Math.min(due ?? Number.POSITIVE_INFINITY, Math.max(at, this.now + availabilityStepMs));
    }
    return due;
  }

  /** As it stands, for who looks: models that have been called, and seats. */
  look(): { readonly name: string | undefined; readonly inFlight: number; readonly limit: Limit }[] {
    return this.#models.map((model) => ({ name: model.name, inFlight: model.inFlight, limit: this.#limitOf(model) }));
  }

  /** Models that are called, with how many calls each could have under way if its limit were all: `ready` are those that could begin. */
  *wanted(ready: Iterable<readonly [Labels, number]>, workers: number): Generator<Wanted> {
    const counts = new Map(this.#models.map((model) => [model, model.inFlight]));
    for (const [labels, count] of ready) {
      const model = this.#modelAt(labels);
      if (model) counts.set(model, counts.get(model)! + count);
    }
    for (const [model, count] of counts) {
      const { name, inFlight } = model;
      yield { name, inFlight, limit: this.#limitOf(model), wanted: Math.min(count, workers) };
    }
  }

  /** A model that is called is at most to be called so often. */
  isLimited(): boolean {
    return this.#models.some(
      ({ inFlight, limit }) => inFlight > 0 && limit && limit.limit !== Number.POSITIVE_INFINITY,
    );
  }

  /** V6. Answers whether more may begin than before. */
  share(name: string | undefined, shared: Shared, now: number): boolean {
    const model = this.#byName.get(name);
    if (!model) return false;
    const before = this.#limitOf(model);
    model.limit = share(before, shared, now);
    model.seen = true;
    return room(model.limit, model.inFlight, now) > room(before, model.inFlight, now);
  }

  lookAtSeats(): { readonly inFlight: number; readonly limit: Limit } {
    return { inFlight: this.#inFlight(), limit: this.#limitOf(this.#seats) };
  }

  #inFlight(): number {
    let sum = 0;
    for (const { inFlight } of this.#models) sum += inFlight;
    return sum;
  }

  #modelOf(name: string | undefined): Model {
    const known = this.#byName.get(name);
    if (known) return known;
    // Beyond so many they share one: names are tasks' own words.
    if (this.#models.length >= modelsLimitedMax) return this.#models.at(-1)!;
    const place = [-1 - this.#models.length];
    const model: Model = { of: "model", name, place, inFlight: 0, limit: undefined, seen: false };
    this.#models.push(model);
    this.#byName.set(name, model);
    return model;
  }

  /** Whose tasks stand in the lane of these labels; undefined: no hosted ones. */
  #modelAt(labels: Labels): Model | undefined {
    const place = labels.at(-1) ?? 0;
    return place < 0 ? this.#models[-1 - place] : undefined;
  }

  #limitOf(limited: Limited): Limit {
    limited.limit ??= restored(this.#told(limited));
    return limited.limit;
  }

  #told({ of, name }: Limited): Told | undefined {
    return this.#header.availability?.find((one) => one.of === of && one.model === name);
  }
}

const limitOf = ({ limit }: Limit): number | undefined =>
  limit === Number.POSITIVE_INFINITY ? undefined : Math.floor(limit);

function isNews({ limit, until = 0 }: Told, now: number | undefined, closedUntil: number, at: number): boolean {
  if (closedUntil > Math.max(until, at) + availabilityToldEveryMs) return true;
  if (limit === undefined || now === undefined) return limit !== now;
  return Math.abs(now - limit) >= Math.max(1, limit * availabilityToldPart);
}

function restored(told: Told | undefined): Limit {
  if (!told) return noLimit;
  const { limit = Number.POSITIVE_INFINITY, ceiling = 0, at, calls, refused, why, retry_after_ms: retryAfterMs } = told;
  return {
    ...noLimit,
    ...{ limit, ceiling, calls, refused, why, retryAfterMs },
    cutAt: at,
    closedUntil: told.until ?? 0,
    gapMs: told.gap_ms ?? 0,
  };
}

/** The part of `apply` about it. */
export function noteAvailability({ header }: RunState, told: AvailabilityTold): void {
  const { changedAt: at } = header;
  const { of, model, limit, ceiling, in_flight, calls, refused, why, retry_after_ms, until, gap_ms } = told;
  const others = header.availability?.filter((one) => one.of !== of || one.model !== model) ?? [];
  const one: Told = {
    ...{ of, in_flight, calls, refused, why, at },
    ...(model !== undefined && { model }),
    ...(limit !== undefined && { limit }),
    ...(ceiling !== undefined && { ceiling }),
    ...(retry_after_ms !== undefined && { retry_after_ms }),
    ...(until !== undefined && { until }),
    ...(gap_ms !== undefined && { gap_ms }),
  };
  header.availability = [...others, one];
}

/** Call at the end of a command. */
export function tellAvailability(step: Step): void {
  const { state } = step;
  for (const told of state.availability.news(step.now))
    if (!isRunEnded(state)) step.emit({ type: "availability_changed", ...told });
}

/** When a ready task may start that only time holds back; undefined: there is none. */
export function availabilityDueAt(state: RunState): number | undefined {
  const queue = state.ready.get(hostedPool);
  if (!queue || queue.size === 0 || state.header.status !== "active") return undefined;
  return state.availability.dueAt(queue.waiting());
}

/** The models that the run calls (V6): none that it has only ended with. */
export function modelsWanted(state: RunState): Wanted[] {
  const { header, availability } = state;
  const queue = header.status === "active" ? state.ready.get(hostedPool) : undefined;
  return [...availability.wanted(queue?.waiting() ?? [], Math.min(state.workers, shareOf(state)))];
}
