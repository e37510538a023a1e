/** A file of rules in Markdown, as a command takes it. */

import { type Compiled, compileRules } from "../../rules/parse.ts";
import { readInput } from "../json-input.ts";
import { oneLine } from "../plain-text.ts";
import { note } from "../screen/output.ts";

export interface RulesFile {
  readonly text: string;
  readonly compiled: Compiled;
}

export function readRules(path: string): RulesFile {
  const text = readInput(path);
  return { text, compiled: compileRules(text) };
}

const nameOf = (path: string): string => (path === "-" ? "stdin" : path);

/** What is wrong with it, or not quite right, as editors jump by it: on stderr. */
export function noteRules({ compiled }: RulesFile, path: string): void {
  if (compiled.ok) {
    for (const { line, message } of compiled.notes) note(`${nameOf(path)}:${line}: note: ${oneLine(message)}`);
  } else {
    for (const { line, message } of compiled.errors) note(`${nameOf(path)}:${line}: ${oneLine(message)}`);
  }
}

/** A file to be sent, after its notes; undefined, after its errors, where something in it is no rule. */
export function readSound(path: string): { text: string; rules: readonly unknown[] } | undefined {
  const file = readRules(path);
  noteRules(file, path);
  return file.compiled.ok ? { text: file.text, rules: file.compiled.rules } : undefined;
}
