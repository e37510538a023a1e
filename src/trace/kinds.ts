/** What a task can be doing: one thing at every moment of its life. The one list of it, which the wire shows too. */

export const kinds = [
  /** Not begun: dependencies have not ended. */
  "dependencies",
  /** It could run, and no worker took it. */
  "ready",
  /** It could run, and the run was paused. */
  "paused",
  /** It could run, and was held until a sibling had written the prompt cache. */
  "cache_warming",
  "model",
  /** With a worker, and not in a model call: tools that are carried out at once, the worker's own work, the way to the log. */
  "working",
  /** With a worker, for nothing: since the last logged turn of an attempt that failed or was lost. */
  "lost",
  /** Remote tools were carried out for it. */
  "tools",
  "variables",
  "tasks",
  "children",
  "budget",
  /** Between two attempts, until the end of a backoff. */
  "retrying",
  "fallback",
] as const;

export type Kind = (typeof kinds)[number];
