/**
 * Which part of a prompt a vendor would have cached, by shared prefix (DESIGN §10), and so what it would report.
 *
 * Anthropic: read and written only at `cache_control` marks; a mark also finds an entry up to 20 blocks before it.
 * OpenAI: automatic, in steps of 128 tokens, apart for each `prompt_cache_key`, which decides where a request goes.
 * Both: nothing below 1,024 tokens, and a prefix is there once the reply to it has begun, not before: requests sent at once
 * each pay for the write. Vendors also forget by time (5 minutes and more); here only the least recently used goes.
 *
 * A prefix is remembered by a 53-bit hash of its characters, so memory does not grow with prompts. Cost: linear in the prompt.
 */

import type { Format } from "../../context/types.ts";
import { simulatedPrefixesMax } from "../../limits.ts";
import type { PromptBlock } from "./prompt.ts";

/** What the vendors document. */
const cacheableTokensMin = 1024;
const lookbackBlocks = 20;
const stepTokens = 128;
const charsPerToken = 4;

interface PromptUsage {
  /** All of the prompt. */
  readonly input: number;
  /** Parts of `input`. */
  readonly read: number;
  readonly written: number;
}

export const tokensOf = (chars: number): number => Math.ceil(chars / charsPerToken);

interface Boundary {
  readonly key: number;
  /** Whole tokens up to here. */
  readonly tokens: number;
}

export class PromptCache {
  readonly #keys = new Map<number, true>();

  /** What the request reads and writes; `begin` makes its prefixes known and is called when the reply begins. */
  measure(
    format: Format,
    blocks: readonly PromptBlock[],
    scope: string,
  ): { readonly usage: PromptUsage; readonly begin: () => void } {
    const chars = blocks.reduce((sum, { text }) => sum + text.length, 0);
    const { read, written, keys } =
      format === "anthropic" ? this.#atMarks(blocks, scope) : this.#inSteps(blocks, scope);
    return {
      usage: { input: tokensOf(chars), read, written },
      begin: () => {
        for (const key of keys) this.#remember(key);
      },
    };
  }

  #atMarks(blocks: readonly PromptBlock[], scope: string) {
    const ends = blockEnds(blocks, scope);
    const marks = blocks.flatMap(({ marked }, i) => (marked && ends[i]!.tokens >= cacheableTokensMin ? [i] : []));
    const found = marks.flatMap((mark) =>
      ends.slice(Math.max(0, mark - lookbackBlocks), mark + 1).filter(({ key }) => this.#knows(key)),
    );
    const read = Math.max(0, ...found.map(({ tokens }) => tokens));
    const last = marks.at(-1);
    const written = last === undefined ? 0 : Math.max(0, ends[last]!.tokens - read);
    return { read, written, keys: marks.map((mark) => ends[mark]!.key) };
  }

  #inSteps(blocks: readonly PromptBlock[], scope: string) {
    const steps = stepEnds(blocks, scope).filter(({ tokens }) => tokens >= cacheableTokensMin);
    const read = steps.findLast(({ key }) => this.#knows(key))?.tokens ?? 0;
    return { read, written: Math.max(0, (steps.at(-1)?.tokens ?? 0) - read), keys: steps.map(({ key }) => key) };
  }

  /** A use keeps an entry from being the next to go. */
  #knows(key: number): boolean {
    if (!this.#keys.has(key)) return false;
    this.#remember(key);
    return true;
  }

  #remember(key: number): void {
    this.#keys.delete(key);
    this.#keys.set(key, true);
    if (this.#keys.size > simulatedPrefixesMax) this.#keys.delete(this.#keys.keys().next().value!);
  }
}

function blockEnds(blocks: readonly PromptBlock[], scope: string): Boundary[] {
  const hash = new RollingHash(scope);
  let chars = 0;
  return blocks.map(({ seal, text }) => {
    hash.add(seal);
    hash.add(text);
    chars += text.length;
    return { key: hash.key(), tokens: Math.floor(chars / charsPerToken) };
  });
}

function stepEnds(blocks: readonly PromptBlock[], scope: string): Boundary[] {
  const stepChars = stepTokens * charsPerToken;
  const hash = new RollingHash(scope);
  const ends: Boundary[] = [];
  let chars = 0;
  for (const { seal, text } of blocks) {
    hash.add(seal);
    for (let at = 0; at < text.length; ) {
      const take = Math.min(text.length - at, stepChars - (chars % stepChars));
      hash.add(text.slice(at, at + take), take === text.length - at);
      at += take;
      chars += take;
      if (chars % stepChars === 0) ends.push({ key: hash.key(), tokens: chars / charsPerToken });
    }
  }
  return ends;
}

/** Two multiplicative 32-bit lanes over UTF-16 units; names prefixes of one's own prompts, and nothing is secured by it. */
class RollingHash {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;
  constructor(scope: string) {
    this.add(scope);
  }
  /** `closed`: the text ends here, so that "ab", "c" and "a", "bc" differ. */
  add(text: string, closed = true): void {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul(b ^ unit, 0xcc9e2d51) + 0x1b873593;
      b ^= b >>> 15;
    }
    this.#a = closed ? Math.imul(a ^ 0x10000, 0x01000193) : a;
    this.#b = closed ? Math.imul(b ^ 0x10000, 0xcc9e2d51) : b;
  }
  key(): number {
    return (this.#a >>> 0) * 0x200000 + (this.#b >>> 11);
  }
}
