/** What a run announces to its tenant's gate, and a worker asks it for: the tasks of a pool, or the calls of one tool there. */

import type { LeaseWishes } from "./rpc.ts";

/** Names of pools and tools have no slash, so no lane is taken for another. */
export const laneOf = (pool: string, tool?: string): string => (tool === undefined ? pool : `${pool}/${tool}`);

/** Whether a worker takes what is in a lane. */
export function takes(
  lane: string,
  { pool, kinds = ["task"], tools }: { readonly pool: string } & LeaseWishes,
): boolean {
  const [of, tool] = lane.split("/");
  if (of !== pool) return false;
  if (tool === undefined) return kinds.includes("task");
  return kinds.includes("tool_call") && (!tools || tools.includes(tool));
}
