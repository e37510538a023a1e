/** Reading a command line, and what to say when it can't be read. */

import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest } from "../nearest.ts";

/** The user has to change the command line, a file or the environment; shown as its message, exit status 2. */
export class UsageError extends Error {
  /** `command`: whose help says more. */
  constructor(message: string, command?: string) {
    super(command === undefined ? message : `${message}\nSee: heddle help ${command}`);
  }
}

type Flags = NonNullable<ParseArgsConfig["options"]>;
export type Values = Record<string, string | boolean | string[] | undefined>;

export interface Read {
  readonly flags: Values;
  readonly words: readonly string[];
}

/** Flags and words of `argv`. @throws UsageError that names the flag and where to read on */
export function readArguments(command: string, argv: readonly string[], options: Flags): Read {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return { flags: values as Values, words: positionals };
  } catch (error) {
    throw new UsageError(flagComplaint(error as Error & { code?: string }, argv, options), command);
  }
}

/** ` Did you mean "run"?`, where `typed` is close to one of them; else nothing. `shown`: how one of them is written. */
export function didYouMean(typed: string, words: Iterable<string>, shown = (word: string) => `"${word}"`): string {
  const meant = nearest(typed, words);
  return meant === undefined ? "" : ` Did you mean ${shown(meant)}?`;
}

/** A whole number from a flag; `fallback` where it is not given. */
export function wholeNumber(
  flags: Values,
  name: string,
  bounds: { min: number; max: number; fallback: number },
): number;
export function wholeNumber(flags: Values, name: string, bounds: { min: number; max: number }): number | undefined;
export function wholeNumber(
  flags: Values,
  name: string,
  { min, max, fallback }: { min: number; max: number; fallback?: number },
) {
  const text = flags[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (typeof text === "string" && /^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} is "${text}"; it must be a whole number from ${min} to ${max}.`);
}

/** node:util's own sentences are long and speak of positionals; they also differ between versions, the codes do not. */
function flagComplaint(error: Error & { code?: string }, argv: readonly string[], options: Flags): string {
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
