/**
 * Globs: `*` and `?` within a name, `**` over folders, `{a,b}` alternatives; all else is itself. A glob without a slash is
 * about a file's name, in whatever folder. Matching takes time in proportion to glob and path, whatever the glob is.
 */

import { globAlternativesMax } from "../../../limits.ts";
import { Refusal } from "./refusal.ts";

/** Whether a path (relative, with slashes) matches. @throws Refusal for a glob with too many alternatives */
export function globOf(glob: string): (path: string) => boolean {
  const alternatives = expanded(glob).map((one) => {
    const steps = one.replace(/^\.?\/+/, "").split("/");
    if (steps.length === 1) steps.unshift("**");
    // What stands below a folder is not the folder.
    if (steps.at(-1) === "**") steps.push("*");
    return steps;
  });
  return (path) => {
    const names = path.split("/");
    return alternatives.some((steps) => matchesSteps(steps, names));
  };
}

function expanded(glob: string): string[] {
  const done: string[] = [];
  for (const open = [glob]; open.length > 0; ) {
    const one = open.pop()!;
    // The innermost braces that have a comma.
    const braces = /\{([^{}]*,[^{}]*)\}/.exec(one);
    if (!braces) done.push(one);
    else
      for (const part of braces[1]!.split(","))
        open.push(one.slice(0, braces.index) + part + one.slice(braces.index + braces[0].length));
    if (done.length + open.length > globAlternativesMax)
      throw new Refusal("bad_arguments", `glob: more than ${globAlternativesMax} alternatives`);
  }
  return done;
}

/** Both like the usual matching of `*` in a text: on a mismatch the last star takes one more. */
function matchesSteps(steps: readonly string[], names: readonly string[]): boolean {
  return wild(steps, names, (step) => step === "**", matchesName);
}

const matchesName = (step: string, name: string): boolean =>
  wild(
    [...step],
    [...name],
    (part) => part === "*",
    (part, letter) => part === "?" || part === letter,
  );

function wild<Part, Piece>(
  pattern: readonly Part[],
  pieces: readonly Piece[],
  isStar: (part: Part) => boolean,
  matches: (part: Part, piece: Piece) => boolean,
): boolean {
  let [p, i, star, from] = [0, 0, -1, 0];
  while (i < pieces.length) {
    if (p < pattern.length && isStar(pattern[p]!)) {
      star = p++;
      from = i;
    } else if (p < pattern.length && matches(pattern[p]!, pieces[i]!)) {
      p++;
      i++;
    } else if (star >= 0) {
      p = star + 1;
      i = ++from;
    } else return false;
  }
  while (p < pattern.length && isStar(pattern[p]!)) p++;
  return p === pattern.length;
}
