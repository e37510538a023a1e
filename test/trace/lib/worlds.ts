/** Logs of simulated worlds with faults of all kinds. */

import { World } from "../../sim/world.ts";
import { traceOf } from "./trace.ts";

export const worlds = Array.from({ length: 30 }, (_, i) => {
  const world = new World(i + 1, { remoteTools: i % 3 === 0 });
  for (let step = 0; step < 200; step++) world.step();
  return { seed: i + 1, events: traceOf(world.log) };
});
