/**
 * Files in workerd that share its processes: setting one up anew takes seconds, more than most files' tests. What one of them
 * has made goes with its end (objects/leave-nothing.ts).
 *
 * Not in here, and so alone, is what needs a world of its own: it counts over all runs, all objects or all calls of a method, ends
 * all objects, changes what the deployment has once, has seats served, or reads their tickets. Seats are what could harm others:
 * one that comes between two files finds nobody who loads its modules, and they stay unloaded for the files that follow. So nobody
 * serves the queues here.
 */

import { seatShards } from "../src/limits.ts";

const objects = [
  "admission",
  "broken-seats",
  "budget-notes",
  "causes",
  "clock",
  "commits",
  "compaction",
  "costs",
  "events-page",
  "export",
  "export-large",
  "forks",
  "imports",
  "messages",
  "old-state",
  "outside-waits",
  "partials",
  "random-contexts",
  "remote-tools",
  "repeats",
  "reply-order",
  "reported-usage",
  "retry",
  "retry-from-turn",
  "rules",
  "run-index",
  "storage",
  "task-list",
  "told-progress",
  "variable-bytes",
  "variable-uses",
  "variables",
];

const routes = [
  "billing",
  "client",
  "fuzz",
  "keys",
  "mcp",
  "mcp-questions",
  "providers",
  "questions",
  "quotas",
  "runs",
  "tenant-prices",
  "tenant-rules",
  "watch",
];

export const together: string[] = [
  ...objects.map((name) => `test/objects/${name}.test.ts`),
  ...routes.map((name) => `test/http/workerd/${name}.test.ts`),
];

/** The seats' queues by their bindings: one that has no consumer. */
export const servedByNobody: Record<string, string> = Object.fromEntries(
  Array.from({ length: seatShards }, (_, shard) => [`SEATS_${shard}`, "served-by-nobody"]),
);
