/** `heddle vars` */

import type { VariableView } from "../../client/replies.ts";
import { allRows } from "../all-rows.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { clockTime, manyLines, oneLine } from "../plain-text.ts";
import { paintOf, say, sayFields, sayJson, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";

export const varsCommand: Command = {
  name: "vars",
  group: "Look",
  summary: "a run's shared variables, or one of them",
  words: [
    { name: "RUN", names: "run" },
    { name: "NAME", names: "variable", optional: true },
  ],
  flags: {
    json: { about: 'one JSON object per variable: {"name", "kind", "state", "holders", "waiters", "ops", …}' },
  },
  ask: "Name one run, and one of its variables if you like.",
  about: `Lists the run's shared variables in the order of their first use.
With NAME it shows that one: its state, who holds it and who waits for it, each with since when.`,
  more: `Exit status: 0; 1 no such run or variable, or the server refused; 2 usage; 3 server not reached.

Example:
  heddle vars run_… deploy --json | jq '.waiters | length'`,
  run: async ({ flags, words: [run, name] }) => {
    const client = await reach();
    if (name !== undefined) {
      const view = await client.variable(run!, name);
      if (flags.json === true) sayJson(view);
      else sayVariable(view);
      return exitStatus.ok;
    }
    const variables = await allRows(
      (page) => client.variables(run!, page),
      (page) => page.variables,
    );
    sayRows(flags, variables, columns, "No variable has been used yet.");
    return exitStatus.ok;
  },
};

function sayVariable({ name, kind, state, holders, waiters, ops }: VariableView): void {
  const paint = paintOf();
  say(`${paint(oneLine(name), "bold")}, ${kind}`);
  sayFields({
    ...Object.fromEntries(Object.entries(state).map(([field, value]) => [field, valueText(shown(field, value))])),
    ops: fieldsText(ops),
  });
  for (const [title, list] of [
    ["Held by", holders],
    ["Waiting, first in line first", waiters],
  ] as const) {
    if (list.length === 0) continue;
    say(`${title}:`);
    for (const one of list) say(`  ${fieldsText(one as Record<string, unknown>)}`);
  }
}

/** `task T1-…, since 14:05:09.123` */
const fieldsText = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(
      ([name, value]) =>
        `${name} ${name === "since" && typeof value === "number" ? clockTime(value) : oneLine(valueText(shown(name, value)))}`,
    )
    .join(", ");

/** A ratio of measured times need not be told to its last digit; what a task stored is shown as it is. */
const shown = (name: string, value: unknown): unknown =>
  name === "contention" && typeof value === "number" ? Number(value.toFixed(3)) : value;

const valueText = (value: unknown): string =>
  value === null ? "" : manyLines(typeof value === "string" ? value : JSON.stringify(value));

const columns: readonly Column<VariableView>[] = [
  { title: "NAME", of: ({ name }) => name, least: 12 },
  { title: "KIND", of: ({ kind }) => kind },
  { title: "HOLDERS", of: ({ holders }) => holders.length || "", align: "right" },
  { title: "WAITERS", of: ({ waiters }) => waiters.length || "", align: "right" },
  { title: "STATE", of: ({ state }) => fieldsText(state).slice(0, 500), least: 16 },
];
