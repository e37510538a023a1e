/** The tables of docs/rules.md, made of the table of rules: `npm run docs:rules` writes them, and a test says when they are out of date. */

import { ruleCharsMax, rulesCharsMax, rulesMax, ruleWindowMsDefault } from "../limits.ts";
import { type FindingKind, findingKinds, knobsOf } from "./finding-kinds.ts";
import { actionForms, boundForms, conditionForms, type Form, findingForms } from "./table.ts";
import { countText, timeText } from "./values.ts";

const pageBegin = "<!-- made by npm run docs:rules -->";
const pageEnd = "<!-- end -->";

/** The part of the page between its marks. */
function rulesTables(): string {
  return [
    "### What holds all the time",
    "",
    table("rule", boundForms),
    "",
    "### Findings",
    "",
    "From when on [findings](findings.md) speak that only the whole log shows. They restrict nobody, so nearer rules hold before those above: the",
    "run's, else its tenant's, else the deployment's, and of two in one file the later one. Those that are asked of the log as it goes",
    "(`retry_storm`, `budget_burn`, `cache_miss`) are held to a rule from when it was set. A finding speaks when all that is set of it is so.",
    "",
    table("rule", findingForms),
    "",
    knobsTable(),
    "",
    "### Conditions",
    "",
    "`when CONDITION: ACTION`. A condition compares with `>`, `>=`, `<` or `<=` (or `above`, `at least`, `below`, `at most`).",
    `Where one is taken over a time and names none, that is ${timeText(ruleWindowMsDefault)}.`,
    "",
    table("condition", conditionForms),
    "",
    "### Actions",
    "",
    table("action", actionForms),
    "",
    `A file has at most ${rulesMax} rules and ${countText(rulesCharsMax)} characters, and a bullet ${ruleCharsMax}.`,
  ].join("\n");
}

/** `page` with the tables between its marks. */
export const withTables = (page: string): string =>
  page.replace(
    new RegExp(`(${pageBegin}\\n).*(\\n${pageEnd})`, "s"),
    (_, begin: string, end: string) => `${begin}\n${rulesTables()}\n${end}`,
  );

function table<Part>(what: string, forms: readonly Form<Part>[]): string {
  const rows = forms.map(({ pattern, example, unit, does }) => [
    `\`${shown(pattern)}\``,
    `\`${example}\``,
    unit === "" ? "–" : unit,
    does,
  ]);
  const lines = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  return [`| ${what} | for example | in | what it does |`, "| --- | --- | --- | --- |", ...lines].join("\n");
}

function knobsTable(): string {
  const rows = (Object.keys(findingKinds) as FindingKind[]).map((kind) => {
    const { after = "–", above = "–", from = "–" } = knobsOf(kind);
    return `| \`${kind}\` | ${after} | ${above} | ${from} |`;
  });
  return ["| finding | after TIME | above N% | from N |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

const names: Readonly<Record<string, string>> = {
  count: "N",
  percent: "N%",
  money: "N dollars",
  time: "TIME",
  duration: "TIME",
  window: "TIME",
  priority: "N",
  model: '"MODEL"',
  label: '"LABEL"',
  pool: '"POOL"',
  op: ">",
  finding: "KIND",
};

const shown = (pattern: string): string => pattern.replace(/\{(\w+)\}/gu, (_, slot: string) => names[slot] ?? slot);
