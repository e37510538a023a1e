/**
 * What may stand at the end of a command line that is being typed, from the table of commands alone.
 *
 * Owns which word it is. Does not own names that only the server knows (server-names.ts), nor the shells (scripts.ts).
 */

import type { Command, Flag, Names } from "../command.ts";

export interface Candidate {
  readonly value: string;
  /** Shells that can show it do. */
  readonly about?: string;
}

export type Completion =
  | { readonly kind: "words"; readonly words: readonly Candidate[] }
  | { readonly kind: "files" }
  /** Names that the server knows; `run`: the run named before, where it is a run's. */
  | { readonly kind: "names"; readonly names: "run" | "task" | "variable"; readonly run: string | undefined };

const none: Completion = { kind: "words", words: [] };

/** `typed`: the words after `heddle`; the last one, perhaps empty, is what is being typed. */
export function completionOf(typed: readonly string[], commands: readonly Command[]): Completion {
  // Some shells make a word of their own of the sign in --mode=any.
  const words = typed.filter((word, i) => word !== "=" || i === 0);
  const current = words.at(-1) ?? "";
  const shown = commands.filter(({ hidden }) => !hidden);
  if (words.length <= 1) return matching(current, [...topics(shown), ...top]);
  const before = words.slice(1, -1);
  if (words[0] === "help") return before.length === 0 ? matching(current, topics(shown)) : none;
  const command = shown.find(({ name }) => name === words[0]);
  return command === undefined ? none : inCommand(command, before, current);
}

const topics = (commands: readonly Command[]): Candidate[] =>
  commands.map(({ name, summary }) => ({ value: name, about: summary }));

const top: readonly Candidate[] = [
  { value: "help", about: "more about a command" },
  { value: "--help", about: "the commands" },
  { value: "--version", about: "the version" },
];

function inCommand(command: Command, before: readonly string[], current: string): Completion {
  if (command.rest !== undefined && before.includes("--")) return { kind: "files" };
  const flags = command.flags ?? {};
  const given: string[] = [];
  const used = new Set<string>();
  let open: Flag | undefined;
  for (const word of before) {
    if (open !== undefined) open = undefined;
    else if (word.startsWith("-") && word !== "-") {
      const [name, value] = word.replace(/^--?/, "").split("=", 2) as [string, string?];
      const [long, flag] = Object.entries(flags).find(([one, { short }]) => one === name || short === name) ?? [];
      if (long !== undefined) used.add(long);
      if (flag?.value !== undefined && value === undefined) open = flag;
    } else given.push(word);
  }
  const run = given[(command.words ?? []).findIndex(({ names }) => names === "run")];
  if (open !== undefined) return valuesOf(open, current, run);
  if (current.startsWith("-") && current !== "-") {
    const left = Object.entries(flags).filter(([name, { many }]) => many || !used.has(name));
    const words = left.map(([name, { about }]) => ({ value: `--${name}`, about: about.split("\n")[0]! }));
    return matching(current, [...words, { value: "--help", about: "all about it" }]);
  }
  const declared = command.words ?? [];
  const word = declared[given.length] ?? (declared.at(-1)?.many ? declared.at(-1) : undefined);
  if (word === undefined)
    return command.rest === undefined ? none : matching(current, [{ value: "--", about: "then the command" }]);
  return valuesOf(word.after?.(given) ?? word, current, run);
}

function valuesOf(
  { choices, names }: { readonly choices?: readonly string[]; readonly names?: Names },
  current: string,
  run: string | undefined,
): Completion {
  if (choices)
    return matching(
      current,
      choices.map((value) => ({ value })),
    );
  if (names === "file") return { kind: "files" };
  return names === undefined ? none : { kind: "names", names, run };
}

const matching = (current: string, words: readonly Candidate[]): Completion => ({
  kind: "words",
  words: words.filter(({ value }) => value.startsWith(current)),
});
