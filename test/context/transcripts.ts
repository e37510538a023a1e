/** Random transcripts that keep the vendor's rules, as texts that no JSON printer would give back alike. */

import fc from "fast-check";
import type { Format, MessageText } from "../../src/context/types.ts";

export const formats: readonly Format[] = ["anthropic", "openai"];

export type Ending = "answered" | "prompted" | "open";

export interface Transcript {
  readonly format: Format;
  readonly messages: MessageText[];
  /** Index of the message that ends each turn, plus one. */
  readonly turnEnds: number[];
  readonly ending: Ending;
}

const words = fc.stringMatching(/^[a-zé"\\{}\n ]{0,12}[a-zé]$/);

/** Prints with the indentation given and with é escaped: valid JSON that is not what JSON.stringify writes. */
const print = (message: unknown, indent: number): MessageText =>
  JSON.stringify(message, null, indent).replaceAll("é", "\\u00e9");

const turn = fc.record({
  prompts: fc.array(words, { maxLength: 2 }),
  text: words,
  calls: fc.array(fc.constantFrom<string>("create_task", "lock", "read_file"), { maxLength: 4 }),
  custom: fc.boolean(),
  thinking: fc.boolean(),
  merged: fc.boolean(),
  reverse: fc.boolean(),
  indent: fc.integer({ min: 0, max: 2 }),
});
type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never;

function reply(format: Format, t: Turn, ids: string[]): unknown {
  if (format === "openai") {
    const tool_calls = ids.map((id, i) =>
      t.custom && i === 1
        ? { id, type: "custom", custom: { name: t.calls[i], input: t.text } }
        : { id, type: "function", function: { name: t.calls[i], arguments: '{"n":1.0}' } },
    );
    return { role: "assistant", content: ids.length > 0 ? null : t.text, ...(ids.length > 0 && { tool_calls }) };
  }
  const calls = ids.map((id, i) => ({ type: "tool_use", id, name: t.calls[i], input: { text: t.text } }));
  if (calls.length === 0 && !t.thinking) return { role: "assistant", content: t.text };
  const thinking = t.thinking ? [{ type: "thinking", thinking: t.text, signature: "c2ln" }] : [];
  return { role: "assistant", content: [...thinking, { type: "text", text: t.text }, ...calls] };
}

function answers(format: Format, t: Turn, ids: string[]): unknown[] {
  const order = t.reverse ? [...ids].reverse() : ids;
  if (format === "openai") return order.map((id) => ({ role: "tool", tool_call_id: id, content: t.text }));
  const content: unknown[] = order.map((id) => ({ type: "tool_result", tool_use_id: id, content: t.text }));
  if (t.merged) content.push({ type: "text", text: t.text });
  return ids.length > 0 ? [{ role: "user", content }] : [];
}

function build(format: Format, turns: Turn[], system: number, ending: Ending): Transcript {
  const messages: MessageText[] = [];
  const turnEnds: number[] = [];
  let nextId = 0;
  const push = (message: unknown, indent: number) => messages.push(print(message, indent));
  if (format === "openai")
    for (let i = 0; i < system; i++) push({ role: i === 0 ? "system" : "developer", content: "be brief" }, i);
  turns.forEach((t, n) => {
    const last = n === turns.length - 1;
    const previousEndsInUser = n > 0 && turns[n - 1]!.calls.length > 0;
    // Anthropic starts with the user, and two replies never touch.
    const prompts = t.prompts.length > 0 || previousEndsInUser ? t.prompts : ["go on"];
    for (const text of prompts) push({ role: "user", content: text }, t.indent);
    const calls = last && ending === "open" && t.calls.length === 0 ? ["create_task", "create_task"] : t.calls;
    const ids = calls.map(() => `call_${nextId++}`);
    push(reply(format, { ...t, calls }, ids), t.indent);
    if (!(last && ending === "open")) for (const message of answers(format, t, ids)) push(message, t.indent);
    turnEnds.push(messages.length);
  });
  if (ending === "prompted") push({ role: "user", content: "and now?" }, 1);
  return { format, messages, turnEnds, ending };
}

export const transcripts = (ending: fc.Arbitrary<Ending>): fc.Arbitrary<Transcript> =>
  fc
    .record({
      format: fc.constantFrom(...formats),
      turns: fc.array(turn, { minLength: 1, maxLength: 6 }),
      system: fc.integer({ min: 0, max: 2 }),
      ending,
    })
    .map(({ format, turns, system, ending }) => build(format, turns, system, ending));

export const anyEnding = fc.constantFrom<Ending>("answered", "prompted", "open");

export const parsed = (messages: readonly MessageText[]): unknown[] =>
  messages.map((text) => JSON.parse(text) as unknown);
