/**
 * From when on a detector speaks. They are chosen so that a run without the fault yields nothing: a finding must name a loss that
 * somebody would want back, so each asks for a share of the run and for an amount that a person notices.
 * docs/findings.md lists them.
 */

export const thresholds = {
  /** A ready task was overtaken by so many that became ready later, while it waited so long, and so many times the median. */
  starvation: { overtakers: 10, waitMs: 10_000, timesMedian: 5 },
  /** All waits for a variable together: so long, so many times as long as it was held, and this share of all tasks' time. */
  contention: { waitedMs: 3000, timesHeld: 2, shareOfTime: 0.1 },
  /**
   * Ops on a variable by so many callers: so long together, and this share of all tasks' time; or so many conditional writes were
   * refused, and this share of them.
   */
  hotVariable: { tasks: 3, ms: 3000, shareOfTime: 0.1, refused: 20, shareRefused: 0.5 },
  /** So many tasks of one creator, whose median wait for a worker is so many times their median work; all waits together. */
  branching: { tasks: 50, timesWork: 4, waitedMs: 20_000 },
  /** One task at a time had a worker for so long and for this share of the run, while so many waited for it. */
  underParallel: { ms: 10_000, shareOfRun: 0.3, waiting: 3, workers: 4 },
  /** A task among so many of its creator worked so many times the median, and so much longer. */
  straggler: { siblings: 8, timesMedian: 4, ms: 5000, shareOfSiblings: 0.2 },
  /** So many attempts failed within the window, and this share of those that ended in it. */
  retryStorm: { failures: 10, windowMs: 60_000, share: 0.5 },
  /** Forks read less than this share of their prefix from a cache that a sibling had written; tokens missed by all together. */
  cacheMiss: { shareRead: 0.1, missedTokens: 10_000, cacheMs: 300_000 },
  /** This share of the budget is spent, and less than that share of the tasks has ended. */
  budgetBurn: { spent: 0.5, ended: 0.25, tasks: 8 },
} as const;

type Numbers<Table> = { readonly [Name in keyof Table]: { readonly [Field in keyof Table[Name]]: number } };
export type Thresholds = Numbers<typeof thresholds>;

/** Subjects, and events of evidence, that one finding names. */
export const subjectsMax = 20;
export const evidenceMax = 20;
