/** `heddle rules check` */

import { type Compiled, compileRules } from "../../rules/parse.ts";
import { sentenceOf } from "../../rules/print.ts";
import type { Command } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { readInput } from "../json-input.ts";
import { oneLine } from "../plain-text.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";

export const rulesCommand: Command = {
  name: "rules",
  group: "Steer",
  summary: "say what a file of rules means, or what is wrong with it",
  words: [
    { name: "ACTION", choices: ["check"] },
    { name: "FILE", names: "file" },
  ],
  flags: {
    json: { about: 'what was understood, {"rules", "notes"}, or {"errors"}, as one JSON object' },
  },
  ask: 'Say what is to be done with which file: "check FILE".',
  about: `Reads rules in Markdown ("-" for stdin), in which every bullet is a rule, and prints each as it was understood, with its line.
What is no rule is told of as FILE:LINE, all of it at once. No server is asked.`,
  more: `Exit status: 0 all of them are rules; 1 some are not; 2 usage, or the file can't be read.

Example: heddle rules check RESOURCES.md`,
  offline: true,
  run: async ({ flags, words: [, file] }) => {
    const compiled = compileRules(readInput(file!));
    if (flags.json === true) sayJson(asJson(compiled));
    else if (compiled.ok) sayRules(compiled, file!);
    else for (const { line, message } of compiled.errors) note(`${nameOf(file!)}:${line}: ${oneLine(message)}`);
    return compiled.ok ? exitStatus.ok : exitStatus.failed;
  },
};

const nameOf = (file: string): string => (file === "-" ? "stdin" : file);

const asJson = (compiled: Compiled) =>
  compiled.ok
    ? { rules: compiled.rules.map(({ line, rule }) => ({ line, rule: sentenceOf(rule) })), notes: compiled.notes }
    : { errors: compiled.errors };

function sayRules({ rules, notes }: Extract<Compiled, { ok: true }>, file: string): void {
  if (rules.length === 0) say("There are no rules: no line begins with a bullet.");
  else
    sayTable(
      [
        { title: "line", of: ({ line }) => line, align: "right" },
        { title: "rule", of: ({ rule }) => sentenceOf(rule) },
      ],
      rules,
    );
  for (const { line, message } of notes) note(`${nameOf(file)}:${line}: note: ${oneLine(message)}`);
}
