/** `fork: "auto"` of a batch: what the choice (scheduler/fork-auto.ts) is made from, and what the reply says of it. */

import { cutLast } from "../../context/fork.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import { forkAutoSmallTokens, forkAutoTailTokens, lastTurnsMax, noteNamesMax } from "../../limits.ts";
import { chooseFork, type ForkQuestion } from "../../scheduler/fork-auto.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";
import type { TaskModel } from "./models.ts";
import { prefixTokens, tokensOf } from "./prefixes.ts";

export class AutoForks {
  readonly #tree: ContextTree;
  readonly #base: string;
  readonly #siblings: number;
  /** What was taken, and why → the tasks' names. */
  readonly #taken = new Map<string, string[]>();
  #tail: ForkQuestion["tail"] | "unknown" = "unknown";

  constructor(tree: ContextTree, base: string, siblings: number) {
    this.#tree = tree;
    this.#base = base;
    this.#siblings = siblings;
  }

  /** The spec with the fork that was taken. `warm`: tokens of the base that are still to be cached, where some are. */
  choose(spec: TaskSpec, used: TaskModel | undefined, warm: number | undefined): { spec: TaskSpec; why: string } {
    const tokens = prefixTokens(this.#tree, this.#base);
    const choice = chooseFork({
      tokens,
      cold: Math.min(tokens, warm ?? tokens),
      tail: tokens > forkAutoSmallTokens ? this.#tailOf(tokens) : undefined,
      siblings: this.#siblings,
      price: used?.found?.price,
      instructions: tokensOf(spec.instructions.length),
      bringsContext: spec.context !== undefined,
    });
    const fork = choice.fork === "last" ? ({ last: choice.turns } as const) : choice.fork;
    const what = `${choice.fork === "last" ? `last ${choice.turns}` : choice.fork}: ${choice.why}`;
    const names = this.#taken.get(what) ?? [];
    names.push(spec.key === undefined ? "a task" : `"${spec.key}"`);
    this.#taken.set(what, names);
    return { spec: { ...spec, fork }, why: choice.why };
  }

  /** One note for each fork that was taken. */
  notes(): string[] {
    return Array.from(this.#taken, ([what, names]) => {
      const more = names.length - noteNamesMax;
      const whose = more > 0 ? `${names.slice(0, noteNamesMax).join(", ")} and ${more} more` : names.join(", ");
      return `fork "auto" took ${what} (${whose}).`;
    });
  }

  /** The most newest turns, doubled from one on, that fit; one where none does, undefined where that leaves nothing out. */
  #tailOf(whole: number): ForkQuestion["tail"] {
    if (this.#tail !== "unknown") return this.#tail;
    const { format } = this.#tree.head(this.#base);
    const messages = this.#tree.messages(this.#base) ?? [];
    const fixed = whole - tokensOf(messages.reduce((sum, { length }) => sum + length, 0));
    this.#tail = undefined;
    for (let turns = 1; turns <= lastTurnsMax; turns *= 2) {
      const cut = cutLast(format, messages, turns);
      if (cut.length === messages.length) break;
      const tokens = fixed + tokensOf(cut.reduce((sum, { length }) => sum + length, 0));
      if (turns > 1 && tokens > forkAutoTailTokens) break;
      this.#tail = { turns, tokens };
    }
    return this.#tail;
  }
}
