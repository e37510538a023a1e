/**
 * Admission: who is let in while there is room, and who is refused first when there is little. Pure: the door and the objects
 * count with it, and say no before anything dear is done.
 *
 * A1. Each class is let in only while less than its share of the room is taken. So what ends work (results, renewals) still
 *     comes in when what begins work has long been refused, and a burst of new work drains.
 * A2. A long poll takes no room from what works: the two are counted apart. But it is let in only while its class could work.
 * A3. A place is a lease too: a caller that vanished without a word gives it up after `admissionMs`. Who is there extends it.
 * A5. Where several share the room, nobody keeps others out with bodies that don't come: when there is no other place, one whose body
 *     is behind what a slow line would have sent by then is given up, and its request refused. While there is room it may take its time,
 *     and in a tenant's or a run's own room it is in nobody's way but theirs.
 * A4. A place is left once, in all ledgers that it has entered, however often that is said; who has left enters nothing more.
 */

import { admissionMs, admissionSweepMs, bodyBytesPerSecondMin, bodyGraceMs, retryAfterSpreadS } from "./limits.ts";

/** In the order in which they are refused, the last first: the share of the room for work, and of that for long polls. */
export const shares = {
  /** Heddle's own: bounded by `limits.workers`, and to refuse it would only leave work undone that is paid for. */
  own: { work: Number.POSITIVE_INFINITY, wait: Number.POSITIVE_INFINITY },
  /** Of work that is done or under way: renewals, turns, results, what a lease's holder calls. */
  report: { work: 1, wait: 1 },
  /** Who cancels, pauses or deletes wants less to be done. */
  steer: { work: 0.9, wait: 1 },
  /** Workers that ask for leases: work that is there becomes less. */
  take: { work: 0.8, wait: 1 },
  read: { work: 0.7, wait: 1 },
  /** New work: runs, tasks, contexts, messages, tool calls from outside. */
  create: { work: 0.5, wait: 0.9 },
  /** Whoever only waits can ask again later, and loses nothing. */
  poll: { work: 0.4, wait: 0.9 },
} as const satisfies Record<string, { readonly work: number; readonly wait: number }>;

export type Priority = keyof typeof shares;

export interface Entry {
  readonly priority: Priority;
  /** A long poll. */
  readonly waits?: boolean;
  /** Of its body. */
  readonly bytes?: number;
}

/** How much is let in at once. */
export interface Room {
  readonly work: number;
  readonly wait: number;
  readonly bytes?: number;
}

/** What there is too much of. */
export type Full = keyof Room;

/** The place of one request, in every ledger that it has entered. */
export class Place {
  readonly entry: Entry;
  readonly #ledgers: Ledger[] = [];
  #isLeft = false;
  #until: number;
  /** While its body comes: when it is too slow, and what is to be done when the place is left before all of it is there. */
  #body: { lateAt: number; readonly givenUp: () => void } | undefined;

  constructor(entry: Entry, now: number) {
    this.entry = entry;
    this.#until = now + admissionMs;
  }

  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Its body begins to come (A5); `givenUp` is called when the place is left meanwhile. */
  reads(now: number, givenUp: () => void): void {
    this.#body = { lateAt: now + bodyGraceMs, givenUp };
    if (this.#isLeft) givenUp();
  }

  /** So much more of its body is there. */
  received(bytes: number): void {
    if (this.#body) this.#body.lateAt += (1000 * bytes) / bodyBytesPerSecondMin;
  }

  /** All of its body is there. */
  hasRead(): void {
    this.#body = undefined;
  }

  isLate(now: number): boolean {
    return this.#body !== undefined && now >= this.#body.lateAt;
  }

  /** Whoever holds it is still there (A3). */
  extend(now: number): void {
    this.#until = now + admissionMs;
  }

  isOver(now: number): boolean {
    return now >= this.#until;
  }

  /** Undefined: entered, or nobody is there any more who would be. What it is refused in it must not stay in elsewhere: leave. */
  enter(ledger: Ledger, now: number): Full | undefined {
    if (this.#isLeft) return undefined;
    const full = ledger.add(this, now);
    if (full === undefined) this.#ledgers.push(ledger);
    return full;
  }

  leave(): void {
    this.#isLeft = true;
    this.#body?.givenUp();
    this.#body = undefined;
    for (const ledger of this.#ledgers.splice(0)) ledger.remove(this);
  }
}

/** What is under way in one place: an isolate, a tenant, a run, an object. */
export class Ledger {
  readonly #room: Room;
  readonly #isShared: boolean;
  readonly #places = new Set<Place>();
  readonly #taken = { work: 0, wait: 0, bytes: 0 };
  #sweptAt = Number.NEGATIVE_INFINITY;

  /** @param of "several": who is in it may keep out others than himself (A5) */
  constructor(room: Room, of: "one" | "several" = "one") {
    this.#room = room;
    this.#isShared = of === "several";
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  get taken(): Readonly<Required<Room>> {
    return this.#taken;
  }

  add(place: Place, now: number): Full | undefined {
    let full = this.#fullFor(place.entry);
    if (full && this.#sweep(now)) full = this.#fullFor(place.entry);
    if (full) return full;
    this.#places.add(place);
    this.#count(place.entry, 1);
    return undefined;
  }

  remove(place: Place): void {
    if (this.#places.delete(place)) this.#count(place.entry, -1);
  }

  #fullFor({ priority, waits = false, bytes = 0 }: Entry): Full | undefined {
    const { work, wait } = shares[priority];
    if (this.#taken.work >= work * this.#room.work) return "work";
    if (waits && this.#taken.wait >= wait * this.#room.wait) return "wait";
    // One alone always fits: a room that the largest body does not fit into would refuse it for ever.
    const fits = this.#taken.bytes === 0 || this.#taken.bytes + bytes <= work * (this.#room.bytes ?? Infinity);
    return bytes > 0 && !fits ? "bytes" : undefined;
  }

  #count({ waits = false, bytes = 0 }: Entry, change: 1 | -1): void {
    this.#taken[waits ? "wait" : "work"] += change;
    this.#taken.bytes += change * bytes;
  }

  /** Whether places were given up (A3, A5). Seldom: a refusal has to be cheap. */
  #sweep(now: number): boolean {
    if (now - this.#sweptAt < admissionSweepMs) return false;
    this.#sweptAt = now;
    let found = false;
    for (const place of [...this.#places]) {
      if (!place.isOver(now) && !(this.#isShared && place.isLate(now))) continue;
      place.leave();
      found = true;
    }
    return found;
  }
}

/** Ledgers by name, which are there only while somebody is in them. */
export class Ledgers {
  readonly #room: Room;
  readonly #byName = new Map<string, Ledger>();

  constructor(room: Room) {
    this.#room = room;
  }

  get size(): number {
    return this.#byName.size;
  }

  enter(place: Place, name: string, now: number): Full | undefined {
    const ledger = this.#byName.get(name) ?? new NamedLedger(this.#room, () => this.#byName.delete(name));
    const full = place.enter(ledger, now);
    if (!ledger.isEmpty) this.#byName.set(name, ledger);
    return full;
  }
}

class NamedLedger extends Ledger {
  readonly #emptied: () => void;

  constructor(room: Room, emptied: () => void) {
    super(room);
    this.#emptied = emptied;
  }

  override remove(place: Place): void {
    super.remove(place);
    if (this.isEmpty) this.#emptied();
  }
}

/** Seconds for `retry-after`: `chance` in [0, 1) spreads those who were refused together, so that they don't come back so. */
export const retryAfterOf = (leastS: number, chance: number): number =>
  leastS + Math.floor(chance * (retryAfterSpreadS + 1));
