/** How many seats a run may use, and who says so, where it is not its own limit. */

import type { RunView } from "../../contract/shapes.ts";

/** `16`, or `2, its share of the tenant's seats`. */
export function mostSeatsText({ seats, limits }: Pick<RunView, "seats" | "limits">): string {
  const { most = limits.workers, bound_by: by = "limits" } = seats;
  if (by === "limits" || by === "rules") return `${limits.workers}`;
  return `${most}, its share of the ${by}'s seats`;
}
