/** `heddle rules check`, `heddle rules show`, `heddle rules try`, `heddle rules set` and `heddle rules tenant` */

import type { RulesTrial } from "../../client/replies.ts";
import type { Compiled } from "../../rules/parse.ts";
import { sentenceOf } from "../../rules/print.ts";
import { rulesActs } from "../admin/rules.ts";
import type { Act } from "../admin/shared.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";
import { UsageError } from "../usage.ts";
import { noteRules, readRules, readSound } from "./rules-file.ts";
import { showRules } from "./show-rules.ts";

const ask =
  'Say what is to be done with what: "check FILE", "show RUN", "try FILE RUN", "set FILE RUN" or "tenant [FILE]".';

export const rulesCommand: Command = {
  name: "rules",
  group: "Steer",
  summary: "what a file of rules means, what a run is held to; try rules, or give them",
  words: [
    { name: "ACTION", choices: ["check", "show", "try", "set", "tenant"] },
    {
      name: "FILE",
      names: "file",
      optional: true,
      after: ([action]) => (action === "show" ? { names: "run" } : undefined),
    },
    { name: "RUN", names: "run", optional: true },
  ],
  flags: {
    json: {
      about:
        'of check {"rules", "notes"} or {"errors"}, of show {"rules", "workers", "limits"},\nof try {"as_of", "rules"}, of set the run, of tenant {"text", "rules", …}, as one JSON object',
    },
  },
  ask,
  about: `check FILE reads rules in Markdown ("-" for stdin), in which every bullet is a rule, and prints each as it was understood,
with its line. What is no rule is told of as FILE:LINE, all of it at once. No server is asked.
show RUN lists the rules that a run is held to, its own and those of its tenant and the deployment, with what binds it now.
try FILE RUN says what they would have done in a run as it went, by its log, which may have ended; nothing is changed.
set FILE RUN gives them to a run in place of its own before; a file without bullets takes them away.
tenant shows the rules that all of the tenant's runs are held to, beside their own; tenant FILE sets them, for live runs too,
and needs a key of the scope tenant_admin ("heddle admin rules" does the same, and is the operator's way).`,
  more: `Exit status: 0 all of them are rules, and the run has them; 1 some are not, or the server refused; 2 usage, or the file
can't be read; 3 server not reached.

Examples:
  heddle rules check RESOURCES.md
  heddle rules show run_…
  heddle rules try RESOURCES.md run_…
  heddle rules set RESOURCES.md run_…
  heddle rules tenant OURS.md`,
  run: async (given) => {
    const [action, ...words] = given.words;
    const { least, most, run } = actions[action!]!;
    if (words.length < least || words.length > most) throw new UsageError(ask, "rules");
    return run(given, ...words);
  },
};

/** Each with how many words it takes behind its name. */
const actions: Readonly<Record<string, { readonly least: number; readonly most: number; readonly run: Act }>> = {
  check: { least: 1, most: 1, run: check },
  show: { least: 1, most: 1, run: ({ flags }, run) => showRules(run!, { json: flags.json === true }) },
  try: { least: 2, most: 2, run: tryOut },
  set: { least: 2, most: 2, run: set },
  tenant: {
    least: 0,
    most: 1,
    run: (given, path) => (path === undefined ? rulesActs.list!.run(given) : rulesActs.set!.run(given, path)),
  },
};

async function check({ flags }: Given, path?: string): Promise<number> {
  const file = readRules(path!);
  const { compiled } = file;
  if (flags.json === true) sayJson(asJson(compiled));
  else {
    if (compiled.ok) sayRules(compiled);
    noteRules(file, path!);
  }
  return compiled.ok ? exitStatus.ok : exitStatus.failed;
}

async function tryOut({ flags }: Given, path?: string, run?: string): Promise<number> {
  const file = readSound(path!);
  if (!file) return exitStatus.failed;
  const trial = await (await reach()).tryRules(run!, file.text);
  if (flags.json === true) sayJson(trial);
  else sayTrial(trial);
  return exitStatus.ok;
}

async function set({ flags }: Given, path?: string, run?: string): Promise<number> {
  const file = readSound(path!);
  if (!file) return exitStatus.failed;
  const view = await (await reach()).setRules(run!, file.text);
  if (flags.json === true) sayJson(view);
  else if (view.rules === null) say(`${view.id} has no rules.`);
  else {
    const { max, by } = view.rules.workers;
    const work = `at most ${max} ${max === 1 ? "task works" : "tasks work"} now${by ? ` (${by.rule})` : ""}`;
    say(`${view.id} has ${file.rules.length} rules of its own; ${work}.`);
  }
  return exitStatus.ok;
}

function sayTrial({ rules }: RulesTrial): void {
  sayTable(
    [
      { title: "line", of: ({ line }) => line, align: "right" },
      { title: "fired", of: ({ fired }) => fired || null, align: "right" },
      { title: "tasks", of: ({ tasks }) => tasks || null, align: "right" },
      { title: "first", of: ({ first_at: first }) => (first === null ? "never" : dateTime(first)) },
      { title: "rule", of: ({ rule }) => rule },
    ],
    rules,
  );
  note("tasks: those that a rule would have kept waiting, not created, paused or failed at, or given another model.");
}

const asJson = (compiled: Compiled) =>
  compiled.ok
    ? { rules: compiled.rules.map(({ line, rule }) => ({ line, rule: sentenceOf(rule) })), notes: compiled.notes }
    : { errors: compiled.errors };

function sayRules({ rules }: Extract<Compiled, { ok: true }>): void {
  if (rules.length === 0) say("There are no rules: no line begins with a bullet.");
  else
    sayTable(
      [
        { title: "line", of: ({ line }) => line, align: "right" },
        { title: "rule", of: ({ rule }) => sentenceOf(rule) },
      ],
      rules,
    );
}
