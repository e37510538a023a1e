/** What a run may be. */

import type { RunStatus } from "./shapes.ts";

export const runStatuses = [
  "active",
  "paused",
  "succeeded",
  "failed",
  "cancelled",
] as const satisfies readonly RunStatus[];
