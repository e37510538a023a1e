import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roleOf, toolCalls, userMessage } from "../../src/context/calls.ts";
import { type Compactable, compact, findNote, sumOf } from "../../src/context/compaction.ts";
import { turnEndsOf } from "../../src/context/cut-last.ts";
import { forkByCall, forkByMessage } from "../../src/context/fork.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { Format, MessageText } from "../../src/context/types.ts";
import { anyEnding, parsed, type Transcript, transcripts } from "./transcripts.ts";

const textOf = (message: MessageText) => (JSON.parse(message) as { content: string }).content;
const noteIn = (messages: readonly MessageText[]) => messages.map((one) => findNote(textOf(one))).filter(Boolean);

/** A task's transcript: a fork of `base`, with context messages of its own or not, and then what it did itself. */
function taskOf(format: Format, base: Transcript, own: Transcript, withContext: boolean): Compactable {
  const before = base.messages;
  const context = withContext ? [userMessage(format, "some context"), assistant("I see")] : [];
  const viaCall = base.ending === "open";
  const fork = viaCall
    ? [
        ...forkByCall(format, before.at(-1)!, toolCalls(format, before.at(-1)!)[0]!.id, "your work").messages,
        ...(withContext ? [...context, userMessage(format, "your work")] : []),
      ]
    : forkByMessage(format, "your work", context).messages;
  // The ids of the two halves must differ.
  const later = own.messages.filter((one) => !["system", "developer"].includes(roleOf(one)!));
  return {
    messages: [...before, ...fork, ...later.map((one) => one.replaceAll('"call_', '"own_'))],
    own: before.length,
    forkCount: fork.length,
    viaCall,
    gone: undefined,
  };
}
const assistant = (text: string) => JSON.stringify({ role: "assistant", content: text });

const tasks = fc
  .record({ base: transcripts(anyEnding), own: transcripts(anyEnding), withContext: fc.boolean() })
  .filter(({ base, own }) => base.format === own.format)
  .map(({ base, own, withContext }) => ({
    format: base.format,
    open: own.ending === "open",
    input: taskOf(base.format, base, own, withContext),
  }));
const last = fc.integer({ min: 1, max: 8 });
/** The last reply's calls may be open: it was no part of a request yet. */
const requested = (messages: readonly MessageText[], open: boolean) => parsed(open ? messages.slice(0, -1) : messages);

describe("compact", () => {
  it("property: [P1] [P2] [P3] keeps what it must, in order, breaks no rule, and says what went", () => {
    fc.assert(
      fc.property(tasks, last, ({ format, input, open }, n) => {
        expect(checkMessages(format, requested(input.messages, open))).toEqual([]);
        const done = compact(format, input, n);
        if (!done) return;
        const { messages } = done;
        expect(checkMessages(format, requested(messages, open))).toEqual([]);
        expect(noteIn(messages)).toEqual([done.gone]);
        const kept = messages.filter((one) => findNote(textOf(one)) === undefined);
        expect(kept.length + done.gone.dropped).toBe(input.messages.length);
        // In order: each is found after the one before.
        let at = -1;
        for (const message of kept) {
          at = input.messages.indexOf(message, at + 1);
          expect(at).toBeGreaterThanOrEqual(0);
        }
        const fork = input.messages.slice(input.own, input.own + input.forkCount);
        expect(messages.slice(done.own, done.own + input.forkCount)).toEqual(fork);
        if (input.viaCall) expect(messages[done.own - 1]).toBe(input.messages[input.own - 1]);
        expect(messages).toContain(input.messages.find((one) => roleOf(one) === "user"));
        const ends = turnEndsOf(format, input.messages);
        const tail = input.messages.slice(ends.length > done.last ? ends.at(-done.last - 1) : 0);
        if (tail.length > 0) expect(messages.slice(-tail.length)).toEqual(tail);
      }),
    );
  });

  it("property: [P4] again and again, it comes to its end, with one note that tells of all", () => {
    fc.assert(
      fc.property(tasks, last, ({ format, input, open }, n) => {
        let [now, window, rounds] = [input, n, 0];
        for (let done = compact(format, now, window); done; done = compact(format, now, window)) {
          expect(++rounds).toBeLessThan(20);
          expect(done.gone.dropped).toBeGreaterThan(0);
          now = { ...input, messages: done.messages, own: done.own, gone: sumOf(now.gone, done.gone) };
          window = done.last;
          expect(checkMessages(format, requested(now.messages, open))).toEqual([]);
          expect(noteIn(now.messages)).toEqual([now.gone]);
        }
        const dropped = now.gone?.dropped ?? 0;
        expect(now.messages.length + dropped - (now.gone ? 1 : 0)).toBe(input.messages.length);
        // What is left: the head, the fork, and a turn.
        if (turnEndsOf(format, input.messages).length > 4) expect(now.gone).toBeDefined();
      }),
    );
  });

  it("halves the number of turns until something goes", () => {
    const turns = [1, 2, 3].flatMap((i) => [userMessage("openai", `q${i}`), assistant(`a${i}`)]);
    const fork = forkByMessage("openai", "do").messages;
    const input = { messages: [...fork, ...turns], own: 0, forkCount: 1, viaCall: false, gone: undefined };
    const first = compact("openai", input, 8)!;
    expect(first).toMatchObject({ last: 2, own: 0, gone: { dropped: 2, replies: 1 } });
    expect(first.messages.map(textOf).filter((text) => !findNote(text))).toEqual(["do", "q2", "a2", "q3", "a3"]);
    expect(findNote(textOf(first.messages[1]!))).toEqual({ dropped: 2, replies: 1 });
    const second = compact("openai", { ...input, messages: first.messages, gone: first.gone }, first.last)!;
    expect(second).toMatchObject({ last: 1, gone: { dropped: 2, replies: 1 } });
    expect(second.messages.map(textOf).map((text) => findNote(text) ?? text)).toEqual([
      "do",
      { dropped: 4, replies: 2 },
      "q3",
      "a3",
    ]);
    expect(compact("openai", { ...input, messages: second.messages, gone: { dropped: 4, replies: 2 } }, 1)).toBe(
      undefined,
    );
  });

  it("does not count the base's replies as the task's own", () => {
    const base = [userMessage("anthropic", "q"), assistant("a"), userMessage("anthropic", "q2"), assistant("a2")];
    const input = { messages: [...base, userMessage("anthropic", "do")], own: 4, forkCount: 1, viaCall: false };
    const done = compact("anthropic", { ...input, gone: undefined }, 1)!;
    expect(done).toMatchObject({ own: 4, gone: { dropped: 1, replies: 0 } });
    expect(done.messages.map((one) => findNote(textOf(one)) ?? textOf(one))).toEqual([
      "q",
      { dropped: 1, replies: 0 },
      "q2",
      "a2",
      "do",
    ]);
  });
});
