/**
 * Lost updates: a task read a place, another one changed it, and the first one wrote over that without having looked again. Versions
 * tell, whatever was ordered: locks that are released between read and write keep nobody's update.
 *
 * L1. A write that names the version it is for, or builds on what it finds (increment, add, edit, append), loses nothing.
 * L2. Who was told (by a task's end, a message, a queue, a future) after the other's write may have meant it. So may somebody
 *     outside, and a session where the other is a task.
 * L3. Where it is not known who made the version that was written over, nothing is said; nor across a gap in the log.
 */

import type { Clocks } from "../clocks.ts";
import { entryOf } from "../entry-of.ts";
import { HappensBefore, partyOf } from "../happens-before.ts";
import type { TraceEvent } from "../trace-event.ts";
import { keyOf, lockAdvice, whereOf, whoOf } from "./access-words.ts";
import type { Found } from "./found.ts";
import { type Access, type Effect, effectOf, isRange, type Place, type Places, remember } from "./places.ts";
import type { RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax } from "./thresholds.ts";

interface Lost {
  readonly read: Access;
  readonly other: Access;
  readonly write: Access;
}

interface LostOf {
  readonly kind: string | undefined;
  count: number;
  /** The first ones. */
  readonly first: Lost[];
  readonly keys: Set<string | number>;
}

export class LostUpdates {
  readonly #told: HappensBefore;
  readonly #lost = new Map<string, LostOf>();
  /** Knowledge from before is of an attempt or a life that is over: access times up to which nothing counts, by task; 0: of all. */
  readonly #forgotten = new Map<number, number>();
  #newest = 0;

  constructor(clocks: Clocks) {
    this.#told = new HappensBefore(clocks, { told: true });
  }

  event(event: TraceEvent): void {
    this.#told.add(event);
    if (event.type === "task_retried") this.#forgotten.set(event.task, this.#newest);
    if (event.type === "variables_used" && event.gap) this.#forgotten.set(0, this.#newest);
  }

  /** Places whose conflict is a lost update: it is no race besides. */
  keysOf(name: string): ReadonlySet<string | number> {
    return this.#lost.get(name)?.keys ?? new Set();
  }

  use(places: Places, kind: string | undefined, access: Access): void {
    const { task, time, use } = access;
    const party = partyOf(task);
    this.#told.access(party, time);
    this.#newest = time;
    const effect: Effect = kind === "atomic" ? "update" : effectOf(kind, use);
    if (effect === "none") return;
    if (isRange(use)) {
      // Which versions it saw is not known, so what it knew before is no measure any more.
      for (const [, place] of places.within(use)) place.known.delete(task);
      return;
    }
    const place = places.at(keyOf(use));
    const { saw, made } = use;
    if (saw === undefined && made === undefined) {
      place.known.delete(task);
      return;
    }
    const isBlind = effect === "write" || (kind === "atomic" && use.op === "set");
    if (isBlind && made !== undefined && made > 0) this.#look(place, access, kind);
    if (made !== undefined) remember(place.made, made, access);
    remember(place.known, task, access);
  }

  #look(place: Place, write: Access, kind: string | undefined): void {
    const { task, use } = write;
    const read = place.known.get(task);
    const since = Math.max(this.#forgotten.get(task) ?? 0, this.#forgotten.get(0) ?? 0);
    if (task === 0 || !read || read.time <= since) return;
    const other = place.made.get(use.saw!);
    if (!other || other.task === task) return;
    // Answers may have come in another order than that of the ops; versions are right. What was removed has none.
    if (use.saw === 0 ? other.time < read.time : use.saw! <= versionOf(read)) return;
    // L2; of what sessions are told by tasks nothing is logged.
    if (task < 0 ? other.task > 0 : this.#told.before(partyOf(other.task), other.time, task)) return;
    const lost = entryOf(this.#lost, use.name, () => ({ kind, count: 0, first: [], keys: new Set<string | number>() }));
    lost.count++;
    lost.keys.add(keyOf(use));
    if (lost.first.length < evidenceMax) lost.first.push({ read, other, write });
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(this.#lost, ([name, { kind, count, first }]) => {
      const { read, other, write } = first[0]!;
      const where = whereOf(name, write.use.key);
      const more = count > 1 ? ` ${count - 1} more such writes to "${name}".` : "";
      const turn = ({ use }: Access) => (use.turn === undefined ? "" : ` in turn ${use.turn}`);
      const message = `${whoOf(facts, write)} wrote ${where}${turn(write)} without having seen version ${write.use.saw}, which ${whoOf(facts, other)} had made${turn(other)}: it knew version ${versionOf(read)}. What ${whoOf(facts, other)} wrote is gone.${more} ${lockAdvice(facts, other, write, kind)}`;
      const tasks = first.flatMap((one) => [one.write.task, one.other.task]).filter((n) => n !== 0);
      const seqs = first.flatMap((one) => [one.read.seq, one.other.seq, one.write.seq]);
      return {
        kind: "lost_update",
        severity: "warning" as const,
        subjects: [...new Set(tasks)].slice(0, subjectsMax),
        evidence: [...new Set(seqs)].sort((a, b) => a - b).slice(-evidenceMax),
        message,
      };
    });
  }
}

/** What an access leaves its task knowing. */
const versionOf = ({ use: { saw, made } }: Access): number => made ?? saw ?? 0;
