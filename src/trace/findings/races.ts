/**
 * Races: two tasks use the same place of a variable, at least one writes it without looking, and nothing orders the two, so that chance
 * decides what is there or what is seen. A lost update is told as one (lost-updates.ts), and not as a race besides.
 *
 * R1. Each op by itself is one step, so ops that build on what they find (increment, edit, append, if_version) conflict with blind
 *     writes alone, and ops on an atomic with nothing: they order what is around them.
 * R2. Two accesses that happens-before orders are never a race. In doubt they are ordered (H3 of happens-before.ts).
 * R3. A place is compared with its newest write and what came since: of several races in a row on one place each is found with its
 *     neighbour.
 */

import { clockNodesMax, raceAccessesMax, raceLooksMax, raceTasksMax } from "../../limits.ts";
import type { VariableUse } from "../../scheduler/events.ts";
import { Clocks } from "../clocks.ts";
import { entryOf } from "../entry-of.ts";
import { HappensBefore, partyOf } from "../happens-before.ts";
import type { Of, TraceEvent } from "../trace-event.ts";
import { howOf, keyOf, lockAdvice, whereOf, whoOf } from "./access-words.ts";
import type { Detector, Found } from "./found.ts";
import { LostUpdates } from "./lost-updates.ts";
import { type Access, type Counted, effectOf, isRange, Places, reaches, remember } from "./places.ts";
import type { RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax } from "./thresholds.ts";

interface Race {
  readonly first: Access;
  readonly second: Access;
  readonly bothWrite: boolean;
}

const empty: readonly string[] = [];

export class Races implements Detector {
  readonly #clocks = new Clocks();
  readonly #nodesMax: number;
  readonly #before: HappensBefore;
  readonly #lost: LostUpdates;
  readonly #kinds = new Map<string, string>();
  readonly #variables = new Map<string, Places>();
  readonly #counted: Counted = { places: 0, looked: 0 };
  readonly #users = new Set<number>();
  /** By variable and place: the worst of its races, the first of those. */
  readonly #races = new Map<string, Map<string | number, Race>>();
  readonly #held = new Map<number, Map<number, string>>();
  readonly #released = new Map<number, { readonly turn: number; readonly names: string[] }>();
  readonly #turns = new Map<number, number>();
  #time = 0;
  /** The event from which on nothing is judged any more; 0: all is. */
  #overAt = 0;

  constructor(nodesMax = clockNodesMax) {
    this.#nodesMax = nodesMax;
    this.#before = new HappensBefore(this.#clocks);
    this.#lost = new LostUpdates(this.#clocks);
  }

  event(event: TraceEvent): void {
    if (this.#overAt > 0) return;
    if (event.type === "variable_created") this.#kinds.set(event.name, event.kind);
    this.#followLocks(event);
    this.#before.add(event);
    this.#lost.event(event);
    if (event.type !== "variables_used") return;
    if (event.gap) this.#before.gap();
    for (const use of event.uses) this.#use(event, use);
    const { looked } = this.#counted;
    if (this.#clocks.made > this.#nodesMax || this.#users.size > raceTasksMax || looked > raceLooksMax)
      this.#overAt = event.seq;
  }

  #followLocks(event: TraceEvent): void {
    if (event.type === "turn") this.#turns.set(event.task, event.turn);
    if (event.type === "lock_granted") {
      entryOf(this.#held, event.task, () => new Map()).set(event.seq, event.name);
    }
    if (event.type !== "lock_released") return;
    const { task, name } = event;
    const held = this.#held.get(task);
    for (const [seq, one] of held ?? []) if (one === name) held!.delete(seq);
    if (held?.size === 0) this.#held.delete(task);
    const turn = this.#turns.get(task) ?? 0;
    const released = this.#released.get(task);
    if (released?.turn === turn) released.names.push(name);
    else this.#released.set(task, { turn, names: [name] });
  }

  #use({ seq }: Of<"variables_used">, use: VariableUse): void {
    const { task = 0, name, turn } = use;
    const party = partyOf(task);
    const time = ++this.#time;
    this.#users.add(party);
    const released = this.#released.get(task);
    const access: Access = {
      ...{ task, time, seq, use },
      held: [...(this.#held.get(task)?.values() ?? [])],
      released: turn !== undefined && released?.turn === turn ? released.names : empty,
    };
    const kind = this.#kinds.get(name);
    const places = entryOf(this.#variables, name, () => new Places(this.#counted));
    this.#before.access(party, time);
    if (kind === "atomic") this.#before.useAtomic(party, use);
    else this.#judge(places, kind, access);
    this.#lost.use(places, kind, access);
  }

  #judge(places: Places, kind: string | undefined, access: Access): void {
    const { use, task } = access;
    const effect = effectOf(kind, use);
    if (effect === "none") return;
    if (effect === "read" && isRange(use)) {
      for (const [key, place] of places.within(use)) if (place.write) this.#compare(key, place.write, access, false);
      remember(places.ranges, `${task} ${use.prefix ?? ""} ${use.from ?? ""} ${use.to ?? ""}`, access);
      return;
    }
    // What is appended is a place of its own, which nobody can have written before.
    if (use.op === "append" && kind === "shared_list") return;
    const key = keyOf(use);
    const place = places.at(key);
    if (place.write) this.#compare(key, place.write, access, effect !== "read");
    if (effect !== "write") {
      remember(effect === "read" ? place.reads : place.updates, task, access);
      return;
    }
    for (const other of place.updates.values()) this.#compare(key, other, access, true);
    for (const other of place.reads.values()) this.#compare(key, other, access, false);
    for (const range of places.ranges.values()) if (reaches(range.use, key)) this.#compare(key, range, access, false);
    place.write = access;
    place.reads.clear();
    place.updates.clear();
  }

  #compare(key: string | number, first: Access, second: Access, bothWrite: boolean): void {
    if (this.#before.before(partyOf(first.task), first.time, partyOf(second.task))) return;
    const { name } = second.use;
    const races = entryOf(this.#races, name, () => new Map());
    const known = races.get(key);
    // Of very many places some are enough to see what is wrong.
    if (known ? known.bothWrite || !bothWrite : races.size >= raceAccessesMax) return;
    races.set(key, { first, second, bothWrite });
  }

  finish(facts: RunFacts): Found[] {
    return [...this.#finishRaces(facts), ...this.#lost.finish(facts), ...this.#unjudged()];
  }

  #finishRaces(facts: RunFacts): Found[] {
    return Array.from(this.#races).flatMap(([name, all]) => {
      const lost = this.#lost.keysOf(name);
      const races = [...all].filter(([key]) => !lost.has(key)).map(([, race]) => race);
      const worst = races.find(({ bothWrite }) => bothWrite) ?? races[0];
      if (!worst) return [];
      const both = races.flatMap(({ first, second }) => [first, second]);
      return [
        {
          kind: "race",
          severity: worst.bothWrite ? ("warning" as const) : ("info" as const),
          subjects: [...new Set([worst.first, worst.second, ...both].map(({ task }) => task))]
            .filter((n) => n !== 0)
            .slice(0, subjectsMax),
          evidence: [...new Set(both.map(({ seq }) => seq))].sort((a, b) => a - b).slice(-evidenceMax),
          message: `${this.#wordsOf(facts, worst)}${more(races.length - 1, name)} ${this.#advice(facts, worst)}`,
        },
      ];
    });
  }

  #wordsOf(facts: RunFacts, { first, second, bothWrite }: Race): string {
    const { name } = second.use;
    const [write, other] = isWrite(this.#kinds.get(name), second) ? [second, first] : [first, second];
    const place = whereOf(name, write.use.key);
    const [a, b] = [first, second].map((one) => `by ${whoOf(facts, one)}${howOf(one)}`);
    if (bothWrite) return `${place} was written ${a} and ${b}, and nothing orders the two: which one stands is chance.`;
    const reader = whoOf(facts, other);
    return `${place} was read by ${reader}${howOf(other)} and written by ${whoOf(facts, write)}${howOf(write)}, and nothing orders the two: whether ${reader} saw the old or the new value is chance.`;
  }

  #advice(facts: RunFacts, { first, second, bothWrite }: Race): string {
    if (bothWrite) return lockAdvice(facts, first, second, this.#kinds.get(second.use.name));
    return `Where either value is good, leave it. ${lockAdvice(facts, first, second, undefined)}`;
  }

  #unjudged(): Found[] {
    if (this.#overAt === 0) return [];
    const message = `The log has more accesses to variables than are compared: races and lost updates after event ${this.#overAt} are not found.`;
    return [{ kind: "races_unchecked", severity: "info", subjects: [], evidence: [this.#overAt], message }];
  }
}

const isWrite = (kind: string | undefined, { use }: Access): boolean => effectOf(kind, use) === "write";

const more = (count: number, name: string): string =>
  count > 0 ? ` So it is with ${count} more ${count === 1 ? "place" : "places"} of "${name}".` : "";
