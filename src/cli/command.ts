/**
 * What a command of `heddle` is: one declaration, from which its help, the reading of its command line and its completion
 * are made, so that the three cannot drift.
 */

import type { Values } from "./usage.ts";

/** What a word or a flag's value names; completion offers it. */
export type Names = "run" | "task" | "variable" | "file";

export interface Word {
  /** As help shows it: `RUN`. */
  readonly name: string;
  readonly names?: Names;
  readonly choices?: readonly string[];
  /** What it is instead behind these words: completion offers that, and the command itself refuses what is none of it. */
  readonly after?: (before: readonly string[]) => Pick<Word, "names" | "choices"> | undefined;
  /** May be left out; so may all that follow it. */
  readonly optional?: true;
  /** Takes all words that are left. */
  readonly many?: true;
}

export interface Flag {
  /** What its value is, as help shows it: `N`. Without it the flag is a switch. */
  readonly value?: string;
  /** A letter: `-f`. */
  readonly short?: string;
  readonly names?: Names;
  readonly choices?: readonly string[];
  /** May be given more than once; the values are then a list. */
  readonly many?: true;
  /** Flags that can't stand beside it, since one of the two would have no effect: such a command line is refused. */
  readonly without?: readonly string[];
  /** Help shows that it can't be left out; the command says so itself. */
  readonly required?: true;
  readonly about: string;
}

/** A command line as it was read. */
export interface Given {
  readonly flags: Values;
  readonly words: readonly string[];
  /** What stands after "--"; undefined where there is none. */
  readonly rest: readonly string[] | undefined;
  /** All of it, for a command that reads for itself. */
  readonly argv: readonly string[];
}

export interface Command {
  readonly name: string;
  /** One line of the overview. */
  readonly summary: string;
  readonly group: Group;
  readonly words?: readonly Word[];
  readonly flags?: Readonly<Record<string, Flag>>;
  /** What stands after "--", as help shows it. */
  readonly rest?: string;
  /** What to say when words are missing or too many. */
  readonly ask?: string;
  /** Help: what it does, above the flags. */
  readonly about: string;
  /** Help: below the flags. Ends with the exit statuses, and examples where they tell something. */
  readonly more?: string;
  /** Needs no server: help does not name the environment. */
  readonly offline?: true;
  /** Not shown: for shells, not for people. */
  readonly hidden?: true;
  /** Takes all words as they are, flags and --help included. */
  readonly raw?: true;
  /** The exit status. */
  readonly run: (given: Given) => Promise<number>;
}

export const groups = ["Run", "Look", "Steer", "Work", "Set up"] as const;
export type Group = (typeof groups)[number];
