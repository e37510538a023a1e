import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { slipIn } from "../../src/context/slips.ts";
import type { Format } from "../../src/context/types.ts";
import { transcripts } from "./transcripts.ts";

const texts = (messages: readonly unknown[]): string[] => messages.map((message) => JSON.stringify(message));

const user = (content: unknown) => ({ role: "user", content });
const reply = (content: unknown) => ({ role: "assistant", content });
const use = (id: string, type = "tool_use") => ({ type, id, name: "f", input: {} });
const result = (id: string, type = "tool_result") => ({ type, tool_use_id: id, content: "r" });
const text = { type: "text", text: "x" };

const calls = (...ids: string[]) => ({
  role: "assistant",
  content: null,
  tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })),
});
const answer = (id: string) => ({ role: "tool", tool_call_id: id, content: "r" });

type Case = [what: string, before: unknown[], messages: unknown[]];

const accepted: Record<Format, Case[]> = {
  anthropic: [
    ["nothing", [], []],
    ["results in any order", [], [user("hi"), reply([use("a"), use("b")]), user([result("b"), result("a")])]],
    ["results of what is stored", [user("hi"), reply([use("a")])], [user([result("a"), text])]],
    [
      "results in user messages in a row",
      [user("hi"), reply([use("a"), use("b")]), user([result("a")])],
      [user([result("b")])],
    ],
    [
      "a reply in two messages",
      [user("hi"), reply([use("a")])],
      [reply([text, use("b")]), user([result("a"), result("b")])],
    ],
    ["a system message between", [], [reply([use("a")]), { role: "system", content: "s" }, user([result("a")])]],
    [
      "a role that is yet to come between",
      [],
      [reply([use("a")]), { role: "narrator", content: "s" }, user([result("a")])],
    ],
    ["calls whose results are yet to come", [], [user("hi"), reply([use("a")])]],
    [
      "ids used again by a later message",
      [],
      [reply([use("a")]), user([result("a")]), reply([use("a")]), user([result("a")])],
    ],
    [
      "calls that the vendor carries out, with results in their message",
      [],
      [reply([use("a", "server_tool_use"), result("a", "web_search_tool_result"), text])],
    ],
    [
      "results of kinds that are yet to come",
      [],
      [user([result("a", "advisor_tool_result"), { type: "compaction", content: "c" }])],
    ],
    ["a result of a kind of call that is yet to come", [], [reply([use("a", "client_tool_use")]), user([result("a")])]],
    ["a role of tomorrow", [], [user("hi"), { role: "developer", content: "x" }]],
    [
      "what is left out for a compaction",
      [],
      [user([result("a")]), reply([{ type: "compaction", content: "c" }, use("b")]), user([result("b")])],
    ],
    ["text that speaks of results", [], [user('{"type": "tool_result", "role": "tool"}')]],
    [
      "escaped types",
      [],
      [`{"role":"assistant","content":[{"type":"tool\\u005fuse","id":"\\u0061"}]}`, user([result("a")])],
    ],
  ],
  openai: [
    ["results in any order", [], [user("hi"), calls("a", "b"), answer("b"), answer("a")]],
    ["results of what is stored", [user("hi"), calls("a", "b"), answer("a")], [answer("b")]],
    ["results apart from their calls, as some servers take them", [calls("a"), user("x"), reply("y")], [answer("a")]],
    ["ids used again", [calls("a"), answer("a")], [calls("a"), answer("a")]],
    ["ids twice in a message, as some models make them", [], [calls("a", "a"), answer("a"), answer("a")]],
    ["a result without an id", [], [{ role: "tool", content: "r" }]],
    ["the older role for results", [], [{ role: "function", name: "f", content: "r" }]],
    [
      "roles of servers",
      [],
      [
        { role: "developer", content: "x" },
        { role: "observation", content: "x" },
      ],
    ],
    [
      "a custom call",
      [],
      [
        { role: "assistant", tool_calls: [{ id: "a", type: "custom", custom: { name: "f", input: "x" } }] },
        answer("a"),
      ],
    ],
    [
      "a call of a kind that is yet to come",
      [],
      [{ role: "assistant", tool_calls: [{ id: "a", type: "new" }] }, answer("a")],
    ],
  ],
};

type Refusal = [what: string, before: unknown[], messages: unknown[], path: string, says: RegExp];

const refused: Record<Format, Refusal[]> = {
  anthropic: [
    [
      "a result with nothing before it",
      [],
      [user([text, result("a")])],
      "messages[0].content[1].tool_use_id",
      /no tool_use a: put/,
    ],
    [
      "a result of an older reply",
      [],
      [reply([use("a")]), user("x"), reply("y"), user([result("a")])],
      "messages[3].content[0].tool_use_id",
      /no tool_use a: put/,
    ],
    [
      "a result of an older reply that is stored",
      [reply([use("a")]), user("x"), reply("y")],
      [user([result("a")])],
      "messages[0].content[0].tool_use_id",
      /no tool_use a: put/,
    ],
    [
      "a result of an older reply, behind a new one",
      [reply([use("a")]), user("x")],
      [reply("y"), user([result("a")])],
      "messages[1].content[0].tool_use_id",
      /no tool_use a: put/,
    ],
    [
      "results that were appended before",
      [reply([use("a")]), user([result("a")])],
      [user([result("a")])],
      "messages[0].content[0].tool_use_id",
      /second result of the call a,/,
    ],
    [
      "two results of a call",
      [],
      [reply([use("a")]), user([result("a"), result("a")])],
      "messages[1].content[1].tool_use_id",
      /second result of the call a,/,
    ],
    [
      "two calls of one id",
      [],
      [user("hi"), reply([use("a"), use("a")])],
      "messages[1].content[1].id",
      /second call a in one message/,
    ],
    ["results as OpenAI has them", [], [calls("a"), answer("a")], "messages[1].role", /"format": "openai"/],
    [
      "the older role for results",
      [],
      [{ role: "function", name: "f", content: "r" }],
      "messages[0].role",
      /role of OpenAI's/,
    ],
    [
      "a result behind a compaction without its call",
      [],
      [reply([{ type: "compaction", content: "c" }]), user([result("a")])],
      "messages[1].content[0].tool_use_id",
      /no tool_use a: put/,
    ],
    [
      "a result beside text that speaks of a compaction",
      [],
      [user([result("a"), { type: "text", text: 'a "compaction"' }])],
      "messages[0].content[0].tool_use_id",
      /no tool_use a: put/,
    ],
    ["a long id", [], [user([result("x".repeat(5000))])], "messages[0].content[0].tool_use_id", /^.{0,300}$/],
  ],
  openai: [
    ["a result with nothing before it", [], [user("hi"), answer("a")], "messages[1].tool_call_id", /calls a: put/],
    ["a result whose call stands behind it", [], [answer("a"), calls("a")], "messages[0].tool_call_id", /calls a: put/],
    [
      "results that were appended before",
      [calls("a", "b"), answer("a"), answer("b")],
      [answer("b")],
      "messages[0].tool_call_id",
      /second result of the call b,/,
    ],
    [
      "two results of a call",
      [],
      [calls("a"), answer("a"), answer("a")],
      "messages[2].tool_call_id",
      /second result of the call a,/,
    ],
  ],
};

const asTexts = (messages: readonly unknown[]): string[] =>
  messages.map((message) => (typeof message === "string" ? message : JSON.stringify(message)));

describe.each(["anthropic", "openai"] as const)("messages of the format %s that enter", (format) => {
  it.each(accepted[format])("may have %s", (_what, before, messages) => {
    expect(slipIn(format, asTexts(messages), asTexts(before).toReversed())).toBeUndefined();
  });

  it.each(refused[format])("are refused with %s", (_what, before, messages, path, says) => {
    const slip = slipIn(format, asTexts(messages), asTexts(before).toReversed());
    expect(slip?.path).toBe(path);
    expect(slip?.message).toMatch(says);
  });
});

describe("transcripts that keep the vendor's rules", () => {
  it("property: may enter, wherever they are cut in two", () => {
    fc.assert(
      fc.property(
        transcripts(fc.constantFrom("answered", "prompted", "open")),
        fc.nat(),
        ({ format, messages }, cut) => {
          const at = cut % (messages.length + 1);
          expect(slipIn(format, messages)).toBeUndefined();
          expect(slipIn(format, messages.slice(at), messages.slice(0, at).toReversed())).toBeUndefined();
        },
      ),
    );
  });

  it("property: may not when a reply with calls that are answered is lost, or the results of it come twice", () => {
    fc.assert(
      fc.property(transcripts(fc.constant("prompted")), fc.nat(), ({ format, messages }, pick) => {
        const answers = messages.flatMap((m, i) => (/"tool_result"|"tool_call_id"/.test(m) ? [i] : []));
        fc.pre(answers.length > 0);
        const at = answers[pick % answers.length]!;
        const caller = messages.findLastIndex((m, i) => i < at && /"role": ?"assistant"/.test(m));
        expect(slipIn(format, messages.toSpliced(caller, 1))).toBeDefined();
        expect(slipIn(format, messages.toSpliced(at, 0, messages[at]!))).toBeDefined();
      }),
    );
  });
});

it("reads of what is stored no more than it needs", () => {
  let read = 0;
  function* stored() {
    for (const message of texts([calls("a", "b"), user("hi"), user("there")])) {
      read++;
      yield message;
    }
  }
  expect(slipIn("openai", texts([user("x")]), stored())).toBeUndefined();
  expect(read).toBe(0);
  expect(slipIn("openai", texts([answer("a"), answer("b")]), stored())).toBeUndefined();
  expect(read).toBe(1);
});
