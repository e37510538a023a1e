/** Reads a command line by the declaration of its command. */

import { type ParseArgsConfig, parseArgs } from "node:util";
import type { Command, Given } from "./command.ts";
import { didYouMean, UsageError, type Values } from "./usage.ts";

/** @throws UsageError for unknown flags, those that don't go together, values that are none of the choices, and words too few or too many */
export function readCommandLine(command: Command, argv: readonly string[]): Given {
  if (command.raw) return { flags: {}, words: argv, rest: undefined, argv };
  const split = command.rest === undefined ? -1 : argv.indexOf("--");
  const own = split < 0 ? argv : argv.slice(0, split);
  const { flags, words } = parsed(command, own);
  requireTogether(command, flags);
  requireChoices(command, flags);
  requireWords(command, words);
  return { flags, words, rest: split < 0 ? undefined : argv.slice(split + 1), argv };
}

function parsed(command: Command, argv: readonly string[]): Pick<Given, "flags" | "words"> {
  const options = optionsOf(command);
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return { flags: values as Values, words: positionals };
  } catch (error) {
    throw new UsageError(flagComplaint(error as Error & { code?: string }, argv, options), command.name);
  }
}

type Options = NonNullable<ParseArgsConfig["options"]>;

const optionsOf = ({ flags = {} }: Command): Options =>
  Object.fromEntries(
    Object.entries(flags).map(([name, { value, short, many }]) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        ...(short !== undefined && { short }),
        ...(many && { multiple: true }),
      },
    ]),
  );

/** node:util's own sentences are long and speak of positionals; they also differ between versions, the codes do not. */
function flagComplaint(error: Error & { code?: string }, argv: readonly string[], options: Options): string {
  const flag = /'(-[^\s'=<]*)/.exec(error.message)?.[1] ?? argv.find((word) => word.startsWith("-"));
  if (error.code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const meant = flag?.startsWith("--") ? didYouMean(flag.slice(2), Object.keys(options), (name) => `--${name}`) : "";
    return `Unknown flag ${flag}.${meant}`;
  }
  if (error.code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
    return /does not take/.test(error.message) ? `${flag} takes no value.` : `${flag} needs a value.`;
  }
  return error.message;
}

function requireTogether(command: Command, values: Values): void {
  for (const [name, { without = [] }] of Object.entries(command.flags ?? {})) {
    const other = values[name] === undefined ? undefined : without.find((one) => values[one] !== undefined);
    if (other !== undefined)
      throw new UsageError(`--${name} does not go with --${other}: leave out one of the two.`, command.name);
  }
}

function requireChoices(command: Command, values: Values): void {
  for (const [name, { choices }] of Object.entries(command.flags ?? {})) {
    const value = values[name];
    if (choices === undefined || typeof value !== "string" || choices.includes(value)) continue;
    throw new UsageError(`--${name} is "${value}"; it must be one of ${choices.join(", ")}.`, command.name);
  }
}

function requireWords(command: Command, words: readonly string[]): void {
  const declared = command.words ?? [];
  if (command.rest !== undefined && words.length > declared.length)
    throw new UsageError(
      `The command stands after "--": heddle ${command.name} … -- ${words.slice(declared.length).join(" ")}`,
      command.name,
    );
  const least = declared.filter((word) => !word.optional).length;
  const most = declared.some((word) => word.many) ? Number.POSITIVE_INFINITY : declared.length;
  if (words.length < least || words.length > most) {
    const ask = command.ask ?? (most === 0 ? "It takes no words, only flags." : `Give ${wordsText(command)}.`);
    throw new UsageError(ask, command.name);
  }
  for (const [i, { name, choices }] of declared.entries()) {
    const word = words[i];
    if (word === "") throw new UsageError(`${name} is empty; is a variable of the shell not set?`, command.name);
    if (word !== undefined && choices && !choices.includes(word))
      throw new UsageError(`${name} is "${word}"; it must be one of ${choices.join(", ")}.`, command.name);
  }
}

/** `RUN [TASK…]` */
export const wordsText = ({ words = [] }: Command): string =>
  words
    .map(({ name, optional, many }) => {
      const text = many ? `${name}…` : name;
      return optional ? `[${text}]` : text;
    })
    .join(" ");
