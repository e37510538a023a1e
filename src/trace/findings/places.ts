/**
 * What is remembered of accesses to variables that hold data: for each place (a key, an item, a text, an atomic's value) who wrote it
 * last, and who used it since. Bounded: what is forgotten is a race that is not found.
 */

import { raceAccessesMax, racePlacesMax } from "../../limits.ts";
import type { VariableUse } from "../../scheduler/events.ts";

export interface Access {
  /** A task, a session below zero, or 0: somebody outside. */
  readonly task: number;
  /** By the clocks of happens-before. */
  readonly time: number;
  /** The event that tells of it. */
  readonly seq: number;
  readonly use: VariableUse;
  /** Locks that the task held, and those that it released in the same turn, before its ops on data were carried out. */
  readonly held: readonly string[];
  readonly released: readonly string[];
}

export interface Place {
  /** The newest write that looked at nothing. */
  write: Access | undefined;
  /** Since then, by task: reads, and writes that build on what was there. */
  readonly reads: Map<number, Access>;
  readonly updates: Map<number, Access>;
  /** By task: the access by which it knows what it last saw or made. */
  readonly known: Map<number, Access>;
  /** By version: who made it; 0: who removed it last. */
  readonly made: Map<number, Access>;
}

export type Effect = "read" | "write" | "update" | "none";

/** What an op does to its place. An update can't be lost by itself: it builds on what it finds. */
const effects: Readonly<Record<string, Readonly<Record<string, Effect>>>> = {
  shared_map: { get: "read", entries: "read", set: "write", delete: "write", increment: "update" },
  shared_list: { get: "read", slice: "read", set: "write", append: "update" },
  shared_memory: { read: "read", write: "write", edit: "update", append: "update" },
};

export function effectOf(kind: string | undefined, { op, saw, made, checked }: VariableUse): Effect {
  const ops = (kind !== undefined && effects[kind]) || {};
  // A log from a file names whatever op it likes.
  const effect = Object.hasOwn(ops, op) ? ops[op]! : "none";
  if (effect === "none" || effect === "read") return effect;
  // Refused by its version, or nothing was there to delete: it saw that, no more.
  if (saw !== undefined && made === undefined) return "read";
  return checked ? "update" : effect;
}

export const isRange = ({ op }: VariableUse): boolean => op === "entries" || op === "slice";

/** Whether the range has the place of that key or index. */
export function reaches({ prefix = "", from, to }: VariableUse, key: string | number): boolean {
  if (typeof key === "string" && !key.startsWith(prefix)) return false;
  return !(from !== undefined && key < from) && !(to !== undefined && key >= to);
}

/** Of all variables together. */
export interface Counted {
  places: number;
  /** Places that were looked through for ranges. */
  looked: number;
}

export class Places {
  /** Of one variable, the least recently used first. */
  readonly #places = new Map<string | number, Place>();
  readonly ranges = new Map<string, Access>();
  readonly #counted: Counted;

  constructor(counted: Counted) {
    this.#counted = counted;
  }

  at(key: string | number): Place {
    const known = this.#places.get(key);
    if (known) this.#places.delete(key);
    else this.#makeRoom();
    const place = known ?? {
      write: undefined,
      reads: new Map(),
      updates: new Map(),
      known: new Map(),
      made: new Map(),
    };
    this.#places.set(key, place);
    return place;
  }

  #makeRoom(): void {
    if (this.#counted.places < racePlacesMax) this.#counted.places++;
    else for (const [oldest] of this.#places.entries().take(1)) this.#places.delete(oldest);
  }

  /** Those that the range has; all of the variable are looked through. */
  *within(range: VariableUse): Generator<readonly [string | number, Place]> {
    this.#counted.looked += this.#places.size;
    for (const [key, place] of this.#places) if (reaches(range, key)) yield [key, place];
  }
}

/** Remembers the newest few. */
export function remember<Key>(of: Map<Key, Access>, key: Key, access: Access): void {
  of.delete(key);
  of.set(key, access);
  if (of.size <= raceAccessesMax) return;
  for (const oldest of of.keys()) {
    of.delete(oldest);
    return;
  }
}
