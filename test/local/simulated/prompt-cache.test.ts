import { describe, expect, test } from "vitest";
import type { Format } from "../../../src/context/types.ts";
import { promptOf } from "../../../src/local/simulated/prompt.ts";
import { PromptCache } from "../../../src/local/simulated/prompt-cache.ts";
import { type Message, user } from "./script.ts";

/** 4 characters a token. */
const long = (tokens: number, word = "abcd") => word.repeat(tokens);
const marked = (text: string): Message => ({
  role: "user",
  content: [{ type: "text", text, cache_control: { type: "ephemeral" } }],
});

function asker(format: Format, scope = "m") {
  const cache = new PromptCache();
  return (messages: readonly Message[], { scope: of = scope, begins = true, rest = {} } = {}) => {
    const { usage, begin } = cache.measure(format, promptOf(format, { messages, ...rest }), of);
    if (begins) begin();
    return usage;
  };
}

describe("Anthropic: at marks", () => {
  test("a prefix is written once and read afterwards, wherever the marks stood", () => {
    const ask = asker("anthropic");
    expect(ask([marked(long(2000)), user(long(10))])).toEqual({ input: 2010, read: 0, written: 2000 });
    expect(ask([marked(long(2000)), user(long(20))])).toEqual({ input: 2020, read: 2000, written: 0 });
    // The mark moved on: the old entry is found below it, and what came since is written.
    expect(ask([user(long(2000)), marked(long(50))])).toEqual({ input: 2050, read: 2000, written: 50 });
    expect(ask([user(long(2000)), user(long(50))])).toEqual({ input: 2050, read: 0, written: 0 });
  });

  test("short prompts are not cached; other text, another model and more than 20 blocks back are no hit", () => {
    const ask = asker("anthropic");
    expect(ask([marked(long(1023))])).toMatchObject({ read: 0, written: 0 });
    ask([marked(long(2000))]);
    expect(ask([marked(long(2000, "abce"))])).toMatchObject({ read: 0, written: 2000 });
    expect(ask([marked(long(2000))], { scope: "other" })).toMatchObject({ read: 0 });
    const blocks = (n: number) => [user(long(2000)), ...Array.from({ length: n - 1 }, () => user("x")), marked("x")];
    expect(ask(blocks(20))).toMatchObject({ read: 2000 });
    const fresh = asker("anthropic");
    fresh([marked(long(2000))]);
    expect(fresh(blocks(21))).toMatchObject({ read: 0 });
  });

  test("system and tools come first, and the vendor's automatic mark is the last block", () => {
    const ask = asker("anthropic");
    const system = [{ type: "text", text: long(1500), cache_control: { type: "ephemeral" } }];
    expect(ask([user("a")], { rest: { system } })).toMatchObject({ written: 1500 });
    expect(ask([user("b")], { rest: { system } })).toMatchObject({ read: 1500, written: 0 });
    expect(ask([user("b")], { rest: { system, tools: [{ name: "t" }] } })).toMatchObject({ read: 0 });
    expect(ask([user(long(1200))], { rest: { cache_control: { type: "ephemeral" } } })).toMatchObject({
      written: 1200,
    });
  });

  test("siblings sent before the first one's reply begins each pay for the write", () => {
    const ask = asker("anthropic");
    const messages = [marked(long(2000))];
    expect(ask(messages, { begins: false })).toMatchObject({ read: 0, written: 2000 });
    expect(ask(messages, { begins: true })).toMatchObject({ read: 0, written: 2000 });
    expect(ask(messages)).toMatchObject({ read: 2000, written: 0 });
  });
});

describe("OpenAI: in steps", () => {
  test("the shared prefix counts in whole steps of 128 tokens from 1,024 on", () => {
    const ask = asker("openai");
    expect(ask([user(long(1100) + long(400, "1111"))])).toEqual({ input: 1500, read: 0, written: 1408 });
    expect(ask([user(long(1100) + long(400, "2222"))])).toEqual({ input: 1500, read: 1024, written: 384 });
    expect(ask([user(long(1100) + long(400, "1111"))])).toEqual({ input: 1500, read: 1408, written: 0 });
    expect(ask([user(long(1000))])).toEqual({ input: 1000, read: 0, written: 0 });
  });

  test("a prompt_cache_key of its own has a cache of its own", () => {
    const ask = asker("openai");
    ask([user(long(2000))], { scope: "m a" });
    expect(ask([user(long(2000))], { scope: "m b" })).toMatchObject({ read: 0 });
    expect(ask([user(long(2000))], { scope: "m a" })).toMatchObject({ read: 1920 });
  });
});
