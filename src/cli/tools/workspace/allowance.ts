/** Which commands run_command may run, and how. */

import { Refusal } from "./refusal.ts";
import { wordsOf } from "./words.ts";

export type Allowance =
  | { readonly kind: "none" }
  /** Whatever it is, by a shell. */
  | { readonly kind: "all" }
  /** Commands that begin with one of these lists of words, without a shell. */
  | { readonly kind: "some"; readonly beginnings: readonly (readonly string[])[] };

/** The program and its arguments. @throws Refusal for what is not allowed */
export function programOf(command: string, allowance: Allowance): readonly [string, ...string[]] {
  if (command.trim() === "") throw new Refusal("bad_arguments", "command: is empty");
  if (command.includes("\0")) throw new Refusal("bad_arguments", "command: has a NUL character");
  switch (allowance.kind) {
    case "none":
      throw new Refusal("commands_not_allowed", "this worker runs no commands");
    case "all":
      return process.platform === "win32" ? ["cmd", "/d", "/s", "/c", command] : ["sh", "-c", command];
    case "some": {
      const words = wordsOf(command);
      const { beginnings } = allowance;
      if (beginnings.some((beginning) => beginning.every((word, i) => word === words[i])))
        return words as [string, ...string[]];
      const list = beginnings.map((beginning) => beginning.join(" ")).join("; ");
      throw new Refusal("commands_not_allowed", `only commands that begin with one of these are run: ${list}`);
    }
  }
}
