/** Rules in Markdown: what they say, before anybody is held to them; and those of a run in place of others. */

import { rulesView, runView } from "../contract/responses.ts";
import { rulesBody, rulesCheckView, rulesTrialView } from "../contract/rules-requests.ts";
import { Fault } from "../errors/fault.ts";
import { type Compiled, compileRules } from "../rules/parse.ts";
import { sentenceOf } from "../rules/print.ts";
import { RuleTrial } from "../scheduler/rules/trial.ts";
import { ask } from "./objects.ts";
import { LogReading } from "./read-log.ts";
import { keyRoute } from "./route.ts";

/** The compiled rules. @throws Fault rules_invalid, with a line for each error */
export function requireRules(text: string): Extract<Compiled, { ok: true }> {
  const compiled = compileRules(text);
  if (compiled.ok) return compiled;
  const errors = compiled.errors.map((error) => ({ path: "rules", ...error }));
  const { line, message } = errors[0]!;
  throw new Fault("rules_invalid", `line ${line}: ${message}`, errors);
}

export const rulesRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "POST",
      path: "/v1/rules/check",
      anew: true,
      summary: "What rules in Markdown say, or what is wrong with them, line by line",
      body: rulesBody,
      answer: { status: 200, schema: rulesCheckView },
      problems: ["rules_invalid"],
    },
    ({ body }) => {
      const { rules, notes } = requireRules(body.rules);
      return { rules: rules.map(({ line, rule }) => ({ line, rule: sentenceOf(rule) })), notes };
    },
  ),

  keyRoute(
    ["runs"],
    {
      method: "POST",
      path: "/v1/runs/:run/rules/try",
      anew: true,
      summary: "What rules would have done in a run, by its log; nothing is changed",
      body: rulesBody,
      answer: { status: 200, schema: rulesTrialView },
      problems: ["rules_invalid", "log_too_long"],
    },
    async ({ theRun, body }) => {
      const trial = new RuleTrial(requireRules(body.rules).rules);
      const reading = await LogReading.begin(theRun());
      for await (const events of reading.pages()) for (const event of events) trial.add(event, event.seq, event.at);
      const rules = trial.finish(reading.asOf.now).map(({ line, rule, fired, tasks, firstAt }) => ({
        line,
        rule: sentenceOf(rule),
        fired,
        tasks: tasks.size,
        first_at: firstAt || null,
      }));
      return { as_of: reading.asOf.upTo, rules };
    },
  ),

  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/runs/:run/rules",
      summary: "The rules that a run is held to, whose each one is, and what binds it now",
      answer: { status: 200, schema: rulesView },
    },
    async ({ theRun }) => {
      const { rules, limits } = await ask(theRun().run());
      return rules ?? { rules: [], workers: { max: limits.workers, by: null }, limits: [] };
    },
  ),

  keyRoute(
    ["runs"],
    {
      method: "PUT",
      path: "/v1/runs/:run/rules",
      summary: "Replace a run's rules; none: take them away",
      body: rulesBody,
      answer: { status: 200, schema: runView },
      problems: ["rules_invalid", "run_ended", "below_spent", "no_price"],
    },
    ({ theRun, body }) => {
      const { rules } = requireRules(body.rules);
      return ask(theRun().setRules({ rules, text: body.rules }));
    },
  ),
];
