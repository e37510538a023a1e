/** Rules in Markdown: what they say, before anybody is held to them. */

import { rulesBody, rulesCheckView } from "../contract/rules-requests.ts";
import { Fault } from "../errors/fault.ts";
import { type Compiled, compileRules } from "../rules/parse.ts";
import { sentenceOf } from "../rules/print.ts";
import { keyRoute } from "./route.ts";

/** The compiled rules. @throws Fault rules_invalid, with a line for each error */
function requireRules(text: string): Extract<Compiled, { ok: true }> {
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
];
