/** `heddle rules show`: what a run is held to, whose each rule is, and what binds it now. */

import type { RulesView } from "../../client/replies.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { limitWords, ruleText, workersText } from "../look/rules-text.ts";
import { note, say, sayFields, sayJson, sayTable } from "../screen/output.ts";

export async function showRules(run: string, { json }: { json: boolean }): Promise<number> {
  const view = await (await reach()).rules(run);
  if (json) sayJson(view);
  else if (view.rules.length === 0) note(`${run} is held to no rules, only to its limits: heddle show ${run}`);
  else sayRules(view);
  return exitStatus.ok;
}

function sayRules(view: RulesView): void {
  sayTable(
    [
      { title: "of", of: ({ from }) => from },
      { title: "line", of: ({ line }) => line, align: "right" },
      // A dash for what holds all the time and so never fires.
      { title: "fired", of: ({ fired }) => fired ?? "-", align: "right" },
      { title: "now", of: ({ on }) => (on === false ? "" : "holds") },
      { title: "rule", of: ({ rule }) => rule },
    ],
    view.rules,
  );
  say("");
  sayFields({
    workers: workersText(view),
    ...Object.fromEntries(view.limits.map(({ limit, max, by }) => [limitWords[limit], `${max}, by ${ruleText(by)}`])),
  });
}
