/** Findings that rules speak of: which can be turned off, and what of each can be set. Their usual thresholds are the trace's. */

/** What a rule sets: from how long, from which share, or from how many on. */
export type FindingKnob = "after" | "above" | "from";

/** Of each kind what its knobs are; one without can only be turned off. */
export const findingKinds = {
  starvation: { after: "how long the task was ready", from: "so many tasks that became ready later were started" },
  contention: { after: "all waits for the variable together", above: "their share of all tasks' time" },
  race: {},
  lost_update: {},
  hot_variable: {
    after: "all ops on the variable together",
    above: "their share of all tasks' time",
    from: "callers",
  },
  excessive_branching: { after: "all waits for a worker together", from: "tasks of one creator" },
  under_parallelism: {
    after: "how long one task at most had a worker",
    above: "the share of the run that this took",
    from: "tasks that waited for it",
  },
  straggler: { after: "how much longer than its siblings' median it worked", from: "siblings, itself included" },
  retry_storm: { above: "the share of attempts that failed", from: "failed attempts within a minute" },
  cache_miss: { from: "tokens that were read at the full price" },
  budget_burn: { above: "the share of the token budget that was spent", from: "tasks of the run" },
  leaked_variable: {},
  never_awaited: {},
} as const satisfies Readonly<Record<string, Partial<Record<FindingKnob, string>>>>;

export type FindingKind = keyof typeof findingKinds;

/** What a kind's knobs set. */
export const knobsOf = (kind: FindingKind): Partial<Record<FindingKnob, string>> => findingKinds[kind];

export const isFindingKind = (text: string): text is FindingKind => Object.hasOwn(findingKinds, text);
