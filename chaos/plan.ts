/** When the server is to go down, and how: drawn from the seed alone. */

import { Random } from "../test/sim/random.ts";

export interface Outage {
  /** How long the server has served before, ms. */
  readonly afterMs: number;
  /**
   * `kill`: SIGKILL to all of its processes at once. `torn`: to one of them a moment before the others, so that parts of a
   * dead server still answer. `replaced`: it ends in good order, as when a deployment takes another's place.
   */
  readonly how: "kill" | "torn" | "replaced";
  /** Of `torn`: between the first of its processes and the others. */
  readonly betweenMs: number;
  /** How long it stays away. */
  readonly awayMs: number;
  /** A worker process that dies beside it, by its number, or none. */
  readonly worker: number | undefined;
}

/** As many kills as asked for, and one replacement more for every five of them. */
export function outagesOf({ seed, kills, spanMs }: { seed: number; kills: number; spanMs: number }): Outage[] {
  const random = new Random(seed);
  const replaced = Math.floor(kills / 5);
  const hows = [
    ...Array.from({ length: kills }, (_, i) => (i % 4 === 3 ? "torn" : "kill") as Outage["how"]),
    ...Array.from({ length: replaced }, () => "replaced" as const),
  ];
  for (let i = hows.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [hows[i], hows[j]] = [hows[j]!, hows[i]!];
  }
  const meanMs = spanMs / Math.max(1, hows.length);
  return hows.map((how) => ({
    how,
    afterMs: Math.round(meanMs * (0.3 + 1.4 * random.next())),
    betweenMs: random.int(5, 250),
    awayMs: random.chance(0.2) ? random.int(500, 2000) : 0,
    worker: random.chance(0.4) ? random.int(0, 9) : undefined,
  }));
}
