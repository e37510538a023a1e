/** Which rule says what, in words: for a run as a whole, and for its rules alone. */

import type { RulesView, RuleView } from "../../client/replies.ts";
import { oneLine } from "../plain-text.ts";

export const ruleText = ({ from, line, rule }: RuleView): string =>
  `line ${line} of the ${from}'s rules: ${oneLine(rule)}`;

/** How many tasks may work now, and what says so. */
export const workersText = ({ workers: { max, by } }: RulesView): string =>
  `${max} at most, by ${by === null ? "the run's limits" : ruleText(by)}`;

export const limitWords: Readonly<Record<RulesView["limits"][number]["limit"], string>> = {
  tasks: "tasks",
  depth: "depth",
  children: "children",
  tokens: "tokens",
  usd: "dollars",
  tokens_per_task: "tokens of a task",
};
