/** Values of a command line, and what to say when one can't be read. */

import { nearest } from "../nearest.ts";

/** The user has to change the command line, a file or the environment; shown as its message, exit status 2. */
export class UsageError extends Error {
  /** `command`: whose help says more. */
  constructor(message: string, command?: string) {
    super(command === undefined ? message : `${message}\nSee: heddle help ${command}`);
  }
}

export type Values = Record<string, string | boolean | string[] | undefined>;

/** ` Did you mean "run"?`, where `typed` is close to one of them; else nothing. `shown`: how one of them is written. */
export function didYouMean(typed: string, words: Iterable<string>, shown = (word: string) => `"${word}"`): string {
  const meant = nearest(typed, words);
  return meant === undefined ? "" : ` Did you mean ${shown(meant)}?`;
}

/** Those of the flags `names` that are given, as fields. */
export const textsOf = <Name extends string>(flags: Values, ...names: readonly Name[]): { [Of in Name]?: string } =>
  Object.fromEntries(names.flatMap((name) => (typeof flags[name] === "string" ? [[name, flags[name]]] : []))) as {
    [Of in Name]?: string;
  };

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
