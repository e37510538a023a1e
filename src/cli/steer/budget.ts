/** `heddle budget` */

import type { RunView } from "../../client/replies.ts";
import { runUsdMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { moneyText, tokensText } from "../run/spent.ts";
import { say, sayFields, sayJson } from "../screen/output.ts";
import { UsageError, wholeNumber } from "../usage.ts";
import { sayRunIs } from "./say-state.ts";

export const budgetCommand: Command = {
  name: "budget",
  group: "Steer",
  summary: "what a run may use of tokens and dollars: see it, or set it",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    tokens: { value: "N", about: "the new total of input and output tokens" },
    usd: { value: "N", about: "the new total of US dollars: 5, or 0.25" },
    json: { about: "the run as one JSON object" },
  },
  ask: "Name one run.",
  about: `Shows what a run has used of its budgets, or sets new totals, not additions. A run that is paused because its budget is used up
goes on when a larger one is set. Before each model call the most that it may need is set aside, so a run stops a little below
its budget; "heddle show RUN TASK" says what a task's next call may need.`,
  more: `Exit status: 0; 1 no such run, it has ended, the budget is below what is spent or above what a rule allows, or the server
refused; 2 usage; 3 server not reached.

Examples:
  heddle budget run_…
  heddle budget run_… --tokens 2000000 --usd 5`,
  run: async ({ flags, words: [id] }) => {
    const tokens = wholeNumber(flags, "tokens", { min: 1, max: Number.MAX_SAFE_INTEGER });
    const usd = usdOf(flags.usd as string | undefined);
    const client = await reach();
    const body = { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { usd }) };
    const isSet = tokens !== undefined || usd !== undefined;
    const run = isSet ? await client.setBudget(id!, body) : await client.run(id!);
    if (flags.json === true) sayJson(run);
    else sayBudget(run);
    return exitStatus.ok;
  },
};

function usdOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const usd = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && usd > 0 && usd <= runUsdMax) return usd;
  throw new UsageError(`--usd is "${text}"; it must be a number above 0, ${runUsdMax} at most.`, "budget");
}

function sayBudget(run: RunView): void {
  sayRunIs(run);
  const { tokens, usd } = run.limits;
  if (tokens === null && (usd ?? null) === null)
    say((run.ended_at ?? null) === null ? "It has no budget: --tokens N or --usd N sets one." : "It had no budget.");
  sayFields({ tokens: tokensText(run), cost: moneyText(run) });
}
