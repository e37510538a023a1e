/**
 * Whether a text matches a pattern, in a bounded number of steps: the runtime's own engine may take longer than the universe has
 * (`^(a+)+$`), and the time is everybody's.
 *
 * M1. It says what the runtime's engine says, or that it takes too long.
 * M2. What was tried at a place and came to nothing is not tried there again, so the cost is at most text × pattern. Inside of looks
 *     ahead and behind, and where that memory would be too large, the steps are bounded alone.
 * M3. So is the memory for the ways that are left to try, which grows with the text.
 */

import { patternTriedBitsMax, patternWaysMax } from "../limits.ts";
import { type Program, programOf, type Step } from "./pattern-program.ts";
import { TooMuchWork, type Work } from "./work.ts";

export class Pattern {
  readonly #program: Program;

  /** @throws SyntaxError, UnboundPattern, TooMuchWork */
  constructor(source: string, work: Work) {
    this.#program = programOf(source, work);
  }

  /** @throws TooMuchWork */
  test(text: string, work: Work): boolean {
    const tried = Tried.of(this.#program, text, work);
    // Whatever comes to nothing leaves them as they were.
    const marks = marksOf(this.#program, work);
    for (let at = 0; at <= text.length; at += at < text.length ? sizeAt(text, at) : 1) {
      work.spend(1);
      if (matches(this.#program, text, at, work, marks, tried)) return true;
    }
    return false;
  }
}

/** Which steps came to nothing at which places. */
class Tried {
  readonly #bits: Uint8Array;
  readonly #places: number;

  private constructor(bits: number, places: number) {
    this.#bits = new Uint8Array(Math.ceil(bits / 8));
    this.#places = places;
  }

  static of({ steps }: Program, text: string, work: Work): Tried | undefined {
    const places = text.length + 1;
    const bits = steps.length * places;
    if (bits > patternTriedBitsMax) return undefined;
    // It is cleared in no time, but not in none.
    work.spend(bits / 256);
    return new Tried(bits, places);
  }

  has(step: number, at: number): boolean {
    const bit = step * this.#places + at;
    return (this.#bits[bit >> 3]! & (1 << (bit & 7))) !== 0;
  }

  /** Whether it was tried before; from now on it was. */
  again(step: number, at: number): boolean {
    const was = this.has(step, at);
    const bit = step * this.#places + at;
    this.#bits[bit >> 3]! |= 1 << (bit & 7);
    return was;
  }
}

const isHigh = (code: number) => code >= 0xd800 && code <= 0xdbff;
const isLow = (code: number) => code >= 0xdc00 && code <= 0xdfff;

const sizeAt = (text: string, at: number): number =>
  isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1)) ? 2 : 1;
const sizeBefore = (text: string, at: number): number =>
  at > 1 && isLow(text.charCodeAt(at - 1)) && isHigh(text.charCodeAt(at - 2)) ? 2 : 1;

const isWord = (text: string, at: number): boolean => at >= 0 && at < text.length && /\w/.test(text[at]!);
const isEdge = (text: string, at: number): boolean => isWord(text, at - 1) !== isWord(text, at);

/** Where one character more or less leads; undefined: it is none of these, or there is none. */
function next(step: Step & { readonly op: "one" | "many" }, text: string, at: number): number | undefined {
  if (step.back) {
    if (at === 0) return undefined;
    const before = at - sizeBefore(text, at);
    return step.is(text, before) ? before : undefined;
  }
  return at < text.length && step.is(text, at) ? at + sizeAt(text, at) : undefined;
}

function marksOf({ registers }: Program, work: Work): number[] {
  work.spend(registers / 32);
  return new Array<number>(registers).fill(-1);
}

/** The stack has three numbers for each way that is left: a step with a place, or, below zero, a register with what it had. */
function matches(
  { steps }: Program,
  text: string,
  start: number,
  work: Work,
  marks: number[],
  tried: Tried | undefined,
): boolean {
  const left: number[] = [];
  let pc = 0;
  let at = start;
  const nowhere = -1;
  /** Takes up the way that was left last; false: there is none. */
  const turnBack = (): boolean => {
    for (;;) {
      if (left.length === 0) return false;
      const limit = left.pop()!;
      const place = left.pop()!;
      const step = left.pop()!;
      if (step < 0) {
        marks[-step - 1] = place;
        continue;
      }
      pc = step;
      at = place;
      const way = steps[step - 1];
      // Of many characters one fewer, as long as there are more than the least.
      if (limit !== nowhere && way?.op === "many") {
        const fewer = way.back ? place + sizeAt(text, place) : place - sizeBefore(text, place);
        if (place !== limit) left.push(step, fewer, limit);
        if (tried?.again(step - 1, place)) continue;
      }
      return true;
    }
  };
  for (;;) {
    work.spend(1);
    if (left.length > 3 * patternWaysMax) throw new TooMuchWork();
    const step = steps[pc]!;
    let goesOn = true;
    switch (step.op) {
      case "done":
        return true;
      case "one": {
        const then = next(step, text, at);
        goesOn = then !== undefined;
        at = then ?? at;
        pc++;
        break;
      }
      case "many": {
        const { min, max } = step;
        // Where there is no most, what went on from a place once has tried all places behind it as well.
        const isOver = (place: number, count: number) =>
          max === Number.POSITIVE_INFINITY && count >= min && tried?.has(pc, place) === true;
        let least = at;
        let count = 0;
        const isDone = isOver(at, 0);
        for (
          let then = next(step, text, at);
          !isDone && then !== undefined && count < max;
          then = next(step, text, at)
        ) {
          if (isOver(then, count + 1)) break;
          at = then;
          count++;
          if (count <= min) least = at;
        }
        work.spend(count);
        // All of them are the first way; turning back takes it up.
        pc++;
        if (!isDone && count >= min) left.push(pc, at, least);
        goesOn = false;
        break;
      }
      case "either":
        goesOn = !tried?.again(pc, at);
        if (goesOn) left.push(step.second, at, nowhere);
        pc = step.first;
        break;
      case "jump":
        pc = step.to;
        break;
      case "mark":
        left.push(-step.register - 1, marks[step.register]!, nowhere);
        marks[step.register] = at;
        pc++;
        break;
      case "moved":
        goesOn = marks[step.register] !== at;
        pc++;
        break;
      case "start":
        goesOn = at === 0;
        pc++;
        break;
      case "end":
        goesOn = at === text.length;
        pc++;
        break;
      case "edge":
      case "noEdge":
        goesOn = isEdge(text, at) === (step.op === "edge");
        pc++;
        break;
      case "look":
        goesOn = matches(step.program, text, at, work, marksOf(step.program, work), undefined) !== step.negative;
        pc++;
        break;
    }
    if (!goesOn && !turnBack()) return false;
  }
}
