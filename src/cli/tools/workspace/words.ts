/**
 * A command line as words, as a shell would read it that does nothing else: quotes and backslashes, but no variables, no
 * substitutions, no second command. What would need a shell for its meaning is refused, and not passed on as mere text.
 */

import { Refusal } from "./refusal.ts";

const needsShell = new Map([
  [";", "a second command"],
  ["&", "a second command"],
  ["|", "a pipe"],
  ["\n", "a second command"],
  ["<", "a redirection"],
  [">", "a redirection"],
  ["(", "a group of commands"],
  [")", "a group of commands"],
  ["$", "a variable"],
  ["`", "a substitution"],
]);

/** @throws Refusal that names what can't be done without a shell */
export function wordsOf(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  const refuse = (why: string) => new Refusal("commands_not_allowed", `${why}; allowed commands run without a shell`);
  for (let i = 0; i < command.length; i++) {
    const letter = command[i]!;
    if (quote === "'") {
      if (letter === "'") quote = undefined;
      else word += letter;
    } else if (letter === "\\" && (quote === undefined || '\\"$`'.includes(command[i + 1] ?? ""))) {
      if (i + 1 >= command.length) throw refuse("the command ends in a backslash");
      word = (word ?? "") + command[++i]!;
    } else if (quote !== undefined) {
      if (letter === quote) quote = undefined;
      else if (letter === "$" || letter === "`") throw refuse(`${letter} is ${needsShell.get(letter)}`);
      else word += letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      word ??= "";
    } else if (needsShell.has(letter)) {
      throw refuse(`${JSON.stringify(letter)} is ${needsShell.get(letter)}`);
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + letter;
  }
  if (quote !== undefined) throw refuse("a quote is not closed");
  if (word !== undefined) words.push(word);
  return words;
}
