import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCalls, userMessage } from "../../src/context/calls.ts";
import { placeOfMessages } from "../../src/context/message-place.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { anyEnding, parsed, transcripts } from "./transcripts.ts";

const said = ["one", "two"].map((text) => userMessage("anthropic", text));

describe("placeOfMessages", () => {
  it("property: wherever a transcript was cut, messages at the place that it names break no rule of the vendor's", () => {
    fc.assert(
      fc.property(transcripts(fc.constantFrom("answered", "prompted")), ({ format, messages }) => {
        for (let cut = 0; cut <= messages.length; cut++) {
          const [stored, logged] = [messages.slice(0, cut), messages.slice(cut)];
          const at = placeOfMessages(format, openCalls(format, stored), logged);
          expect(at).toBeDefined();
          const whole = [...stored, ...logged.toSpliced(at!, 0, ...said)];
          expect(checkMessages(format, parsed(whole))).toEqual([]);
          // Nothing is moved, and they stay together, in their order.
          expect(whole.filter((message) => !said.includes(message))).toEqual(messages);
          expect(whole.slice(cut + at!, cut + at! + 2)).toEqual(said);
        }
      }),
    );
  });

  it("property: they come before anything that is no result of the open calls", () => {
    fc.assert(
      fc.property(transcripts(anyEnding), fc.nat(), ({ format, messages }, pick) => {
        const cut = pick % messages.length;
        const stored = messages.slice(0, cut);
        const at = placeOfMessages(format, openCalls(format, stored), messages.slice(cut));
        const open = openCalls(format, messages.slice(0, cut + (at ?? 0)));
        if (at === undefined) expect(openCalls(format, messages)).not.toEqual([]);
        else expect(open).toEqual([]);
        if (openCalls(format, stored).length === 0) expect(at).toBe(0);
      }),
    );
  });

  it("there is no place while a call stays open", () => {
    const calls = [
      { id: "a", name: "f", arguments: "{}" },
      { id: "b", name: "f", arguments: "{}" },
    ];
    const result = (id: string) => JSON.stringify({ role: "tool", tool_call_id: id, content: "r" });
    expect(placeOfMessages("openai", calls, [])).toBeUndefined();
    expect(placeOfMessages("openai", calls, [result("b")])).toBeUndefined();
    expect(placeOfMessages("openai", calls, [result("b"), result("a"), said[0]!])).toBe(2);
    expect(placeOfMessages("openai", calls, [said[0]!, result("b"), result("a")])).toBeUndefined();
  });
});
