/**
 * A regular expression of JSON Schema (`pattern`, `patternProperties`) as a program for pattern.ts.
 *
 * What matches one character is left to the runtime's own engine, one character at a time, which takes no time; how characters follow
 * one another, where that engine may take for ever, is here.
 *
 * P1. It is read after the runtime has taken it with the flag `u`, so its grammar needs no check here.
 * P2. What would bind the match to what was matched before (references back to groups), and flags in the middle, are refused.
 */

import { patternDepthMax, patternStepsMax, unicodeClassSteps } from "../limits.ts";
import type { Work } from "./work.ts";

export type One = (text: string, at: number) => boolean;

export type Step =
  | { readonly op: "one"; readonly is: One; readonly back: boolean }
  /** As many as there are, at most `max`; then fewer and fewer, down to `min`. */
  | { readonly op: "many"; readonly is: One; readonly min: number; readonly max: number; readonly back: boolean }
  /** First the one, then the other. */
  | { readonly op: "either"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  /** Remembers the place, and ends a repetition that has not moved since. */
  | { readonly op: "mark" | "moved"; readonly register: number }
  | { readonly op: "start" | "end" | "edge" | "noEdge" }
  | { readonly op: "look"; readonly program: Program; readonly negative: boolean }
  | { readonly op: "done" };

export interface Program {
  readonly steps: readonly Step[];
  readonly registers: number;
}

/** A pattern that can't be held against a text in a bounded time. */
export class UnboundPattern extends Error {}

type Node =
  | { readonly kind: "one"; readonly is: One }
  | { readonly kind: "all" | "any"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: "look"; readonly node: Node; readonly ahead: boolean; readonly negative: boolean }
  | { readonly kind: "start" | "end" | "edge" | "noEdge" };

/** @throws SyntaxError for what is no regular expression, UnboundPattern (P2, and what is too large), TooMuchWork */
export function programOf(source: string, work: Work): Program {
  // A class of Unicode's is hundreds of ranges, which are gone through when it is read.
  work.spend(source.length + source.split(/\\[pP]\{/).length * unicodeClassSteps - unicodeClassSteps);
  new RegExp(source, "u");
  const program = new Writer().program(new Reader(source).any(), false);
  work.spend(program.steps.length);
  return program;
}

class Reader {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  any(): Node {
    const parts = [this.#all()];
    while (this.#take("|")) parts.push(this.#all());
    return parts.length === 1 ? parts[0]! : { kind: "any", parts };
  }

  #all(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at]!)) parts.push(this.#repeated());
    return parts.length === 1 ? parts[0]! : { kind: "all", parts };
  }

  #repeated(): Node {
    const node = this.#term();
    const found = this.#match(/(?:[*+?]|\{(\d+)(,(\d*))?\})(\??)/y);
    if (!found) return node;
    const [text, least, more, most, lazy] = found;
    const min = least !== undefined ? Number(least) : text.startsWith("+") ? 1 : 0;
    const max =
      least !== undefined
        ? most
          ? Number(most)
          : more === undefined
            ? min
            : Number.POSITIVE_INFINITY
        : text.startsWith("?")
          ? 1
          : Number.POSITIVE_INFINITY;
    return { kind: "repeat", node, min, max, lazy: lazy === "?" };
  }

  #term(): Node {
    if (this.#take("^")) return { kind: "start" };
    if (this.#take("$")) return { kind: "end" };
    if (this.#take("\\b")) return { kind: "edge" };
    if (this.#take("\\B")) return { kind: "noEdge" };
    if (this.#take("(")) return this.#group();
    if (this.#match(/\\[1-9k]/y)) throw new UnboundPattern("it refers back to a group");
    return { kind: "one", is: oneOf(this.#character()) };
  }

  #group(): Node {
    const look = this.#match(/\?(<?)([=!])/y);
    if (!look && this.#match(/\?[a-z-]/y)) throw new UnboundPattern("it changes flags");
    if (!look) this.#match(/\?(?::|<[^>]*>)/y);
    // Groups are read, written and looked at by recursion, which must not run out of stack.
    if (++this.#depth > patternDepthMax) throw new UnboundPattern("its groups are nested too deep");
    const node = this.any();
    this.#depth--;
    this.#take(")");
    return look ? { kind: "look", node, ahead: look[1] === "", negative: look[2] === "!" } : node;
  }

  /** What stands for one character: itself, an escape, or a class. */
  #character(): string {
    const found =
      this.#match(/\[(?:\\[\s\S]|[^\]\\])*\]/y) ??
      this.#match(/\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}/y) ??
      this.#match(/\\(?:u\{[\da-fA-F]+\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[pP]\{[^}]*\}|[\s\S])/uy) ??
      this.#match(/[\s\S]/uy)!;
    return found[0];
  }

  #take(text: string): boolean {
    const is = this.#source.startsWith(text, this.#at);
    if (is) this.#at += text.length;
    return is;
  }

  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#source);
    if (found) this.#at = expression.lastIndex;
    return found ?? undefined;
  }
}

/** Whether the character at a place is one that `source` stands for. */
function oneOf(source: string): One {
  // Most patterns are read to see whether they can be, and no text is held against them.
  let expression: RegExp | undefined;
  // Most texts are ASCII, whose 128 answers are kept.
  const known = new Int8Array(128);
  const ask = (text: string, at: number) => {
    expression ??= new RegExp(source, "uy");
    expression.lastIndex = at;
    return expression.test(text);
  };
  return (text, at) => {
    const code = text.charCodeAt(at);
    if (code >= known.length) return ask(text, at);
    if (known[code] === 0) known[code] = ask(text, at) ? 1 : -1;
    return known[code] === 1;
  };
}

class Writer {
  #steps: Step[] = [];
  #registers = 0;

  program(node: Node, back: boolean): Program {
    this.#write(node, back);
    this.#add({ op: "done" });
    return { steps: this.#steps, registers: this.#registers };
  }

  #add<S extends Step>(step: S): S {
    if (this.#steps.length >= patternStepsMax)
      throw new UnboundPattern("it is too large when its repetitions are counted out");
    this.#steps.push(step);
    return step;
  }

  /** `back`: what it matches ends where it is tried, as it does behind. */
  #write(node: Node, back: boolean): void {
    switch (node.kind) {
      case "one":
        this.#add({ op: "one", is: node.is, back });
        return;
      case "all":
        for (const part of back ? [...node.parts].reverse() : node.parts) this.#write(part, back);
        return;
      case "any":
        this.#writeAny(node.parts, back);
        return;
      case "repeat":
        this.#writeRepeat(node, back);
        return;
      case "look":
        this.#add({ op: "look", program: new Writer().program(node.node, !node.ahead), negative: node.negative });
        return;
      default:
        this.#add({ op: node.kind });
    }
  }

  #writeAny(parts: readonly Node[], back: boolean): void {
    const ends: { to: number }[] = [];
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1;
      const fork = isLast ? undefined : this.#add({ op: "either", first: this.#steps.length + 1, second: 0 });
      this.#write(part, back);
      if (!fork) break;
      ends.push(this.#add({ op: "jump", to: 0 }));
      fork.second = this.#steps.length;
    }
    for (const end of ends) end.to = this.#steps.length;
  }

  #writeRepeat({ node, min, max, lazy }: Extract<Node, { kind: "repeat" }>, back: boolean): void {
    // Which way is tried first makes no difference to whether there is one.
    if (node.kind === "one") {
      this.#add({ op: "many", is: node.is, min, max, back });
      return;
    }
    for (let i = 0; i < min; i++) this.#write(node, back);
    const fork = () => this.#add({ op: "either", first: 0, second: 0 });
    const lead = (step: { first: number; second: number }, body: number, over: number) => {
      step.first = lazy ? over : body;
      step.second = lazy ? body : over;
    };
    if (max === Number.POSITIVE_INFINITY) {
      const register = this.#registers++;
      const at = this.#steps.length;
      const loop = fork();
      this.#add({ op: "mark", register });
      this.#write(node, back);
      this.#add({ op: "moved", register });
      this.#add({ op: "jump", to: at });
      lead(loop, at + 1, this.#steps.length);
      return;
    }
    const forks: { first: number; second: number; body: number }[] = [];
    for (let i = min; i < max; i++) {
      const step = fork();
      const register = this.#registers++;
      forks.push(Object.assign(step, { body: this.#steps.length }));
      this.#add({ op: "mark", register });
      this.#write(node, back);
      this.#add({ op: "moved", register });
    }
    for (const step of forks) lead(step, step.body, this.#steps.length);
  }
}
