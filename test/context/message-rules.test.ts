import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkMessages } from "../../src/context/message-rules.ts";
import { parsed, transcripts } from "./transcripts.ts";

const u = (content: unknown) => ({ role: "user", content });
const a = (content: unknown) => ({ role: "assistant", content });
const use = (id: string, extra = {}) => ({ type: "tool_use", id, name: "f", input: {}, ...extra });
const res = (id: string, extra = {}) => ({ type: "tool_result", tool_use_id: id, content: "r", ...extra });
const t = (text: string) => ({ type: "text", text });
const thinking = { type: "thinking", thinking: "x", signature: "s" };
const search = { type: "server_tool_use", id: "s", name: "web_search", input: {} };
const marked = { ...t("x"), cache_control: { type: "ephemeral" } };

describe("checkMessages", () => {
  it("property: passes what keeps the rules", () => {
    fc.assert(
      fc.property(transcripts(fc.constantFrom("answered" as const, "prompted" as const)), ({ format, messages }) => {
        expect(checkMessages(format, parsed(messages))).toEqual([]);
      }),
    );
  });

  it("property: refuses a transcript with calls once any result is lost, doubled or moved", () => {
    fc.assert(
      fc.property(transcripts(fc.constant("prompted" as const)), fc.nat(), ({ format, messages }, pick) => {
        const all = parsed(messages) as { role: string; content: unknown }[];
        const places = all.flatMap((m, i) => {
          const holds = m.role === "tool" || (Array.isArray(m.content) && JSON.stringify(m).includes('"tool_result"'));
          return holds ? [i] : [];
        });
        fc.pre(places.length > 0);
        const at = places[pick % places.length]!;
        expect(checkMessages(format, all.toSpliced(at, 1))).not.toEqual([]);
        expect(checkMessages(format, all.toSpliced(at, 0, all[at]!))).not.toEqual([]);
        expect(checkMessages(format, [...all.toSpliced(at, 1), all[at]])).not.toEqual([]);
      }),
    );
  });

  it("allows what Anthropic allows", () => {
    for (const messages of [
      [u("hi"), u([t("more")])],
      [u("hi"), a("partly")],
      [u("hi"), a([thinking, use("1"), use("2")]), u([res("2"), res("1", { is_error: true }), t("go")])],
      [u("hi"), a([use("1")]), u([{ type: "tool_result", tool_use_id: "1" }]), u("go")],
      [
        u("hi"),
        a([t("x"), search]),
        a([{ type: "web_search_tool_result", tool_use_id: "s", content: [] }, t("y")]),
        u("go"),
      ],
      [u("hi"), a([use("1")]), u([res("1", { content: [t("r"), { type: "image", source: {} }] })])],
      [u("hi"), { role: "system", content: "now in French" }, a("oui")],
      [u([marked, marked, marked, marked])],
    ])
      expect(checkMessages("anthropic", messages)).toEqual([]);
  });

  it.each<[string, unknown[], string]>([
    ["no message", [], "at least one"],
    ["an assistant first", [a("hi")], "messages[0]: the first message is the user's"],
    ["a system message first", [{ role: "system", content: "s" }], "first message"],
    ["no object", ["hi"], "messages[0]: a message is an object"],
    ["an unknown role", [u("hi"), { role: "tool", content: "x" }], 'unknown role "tool"'],
    ["an extra member", [{ ...u("hi"), id: "x" }], "messages[0].id: extra inputs"],
    ["consecutive assistants", [u("hi"), a("x"), a("y")], "messages[2]: follows another assistant"],
    [
      "another one after what the vendor's tools did, and text",
      [u("hi"), a([search, t("x")]), a("y")],
      "follows another",
    ],
    ["another one after calls too", [u("hi"), a([use("1"), search]), a("y")], "follows another"],
    ["empty string content", [u("")], "messages[0]: content is empty"],
    ["blank content", [u(" \n")], "content is empty"],
    ["empty list content", [u([])], "content is empty"],
    ["no content", [{ role: "user" }], "content is a string or a list"],
    ["an empty text block", [u([t("")])], "messages[0].content[0]: text blocks contain"],
    ["a block without type", [u([{}])], "object with a type"],
    ["a tool_use of the user", [u([use("1")])], "user messages have no tool_use"],
    ["thinking of the user", [u([thinking])], "user messages have no thinking"],
    ["a tool_result of the assistant", [u("hi"), a([res("1")])], "assistant messages have no"],
    ["unsigned thinking", [u("hi"), a([{ type: "thinking", thinking: "x" }, t("y")])], "signature"],
    ["thinking last", [u("hi"), a([t("y"), thinking])], "final block cannot be thinking"],
    ["text after calls", [u("hi"), a([use("1"), t("y")]), u([res("1")])], "nothing follows tool_use"],
    ["an unanswered call", [u("hi"), a([use("1")])], "messages[1]: tool_use 1 has no tool_result"],
    ["a partly answered reply", [u("hi"), a([use("1"), use("2")]), u([res("1")])], "tool_use 2 has no"],
    ["a late result", [u("hi"), a([use("1")]), u("wait"), u([res("1")])], "no tool_use 1 in the previous"],
    ["split results", [u("hi"), a([use("1"), use("2")]), u([res("1")]), u([res("2")])], "tool_use 2 has no"],
    ["a stray result", [u([res("1")])], "messages[0].content[0]: no tool_use 1"],
    ["a doubled result", [u("hi"), a([use("1")]), u([res("1"), res("1")])], "a second result for 1"],
    ["text before results", [u("hi"), a([use("1")]), u([t("x"), res("1")])], "tool_results come before"],
    ["a doubled id in a reply", [u("hi"), a([use("1"), use("1")]), u([res("1")])], "ids are unique"],
    ["an id used again", [u("hi"), a([use("1")]), u([res("1")]), a([use("1")]), u([res("1")])], "ids are unique"],
    ["an id that is no word", [u("hi"), a([use("a.b")]), u([res("a.b")])], "id matches"],
    ["input that is no object", [u("hi"), a([use("1", { input: "{}" })]), u([res("1")])], "input is an object"],
    ["a bad tool name", [u("hi"), a([use("1", { name: "a b" })]), u([res("1")])], "name matches"],
    ["is_error as text", [u("hi"), a([use("1")]), u([res("1", { is_error: "no" })])], "is_error is a boolean"],
    ["a call inside a result", [u("hi"), a([use("1")]), u([res("1", { content: [use("2")] })])], "can't have"],
    ["empty text in a result", [u("hi"), a([use("1")]), u([res("1", { content: [t("")] })])], "not empty"],
    ["a prefill that ends in a space", [u("hi"), a("so ")], "ends in whitespace"],
    ["a prefill block that ends in a space", [u("hi"), a([t("so ")])], "ends in whitespace"],
    ["five marks", [u([marked, marked, marked, marked, marked])], "5 cache marks"],
    [
      "a mark on thinking",
      [u("hi"), a([{ ...thinking, cache_control: { type: "ephemeral" } }, t("x")])],
      "no cache mark",
    ],
  ])("refuses %s (Anthropic)", (_, messages, violation) => {
    expect(checkMessages("anthropic", messages).join("\n")).toContain(violation);
  });

  const call = (id: unknown, extra = {}) => ({
    id,
    type: "function",
    function: { name: "f", arguments: "{}" },
    ...extra,
  });
  const calls = (...tool_calls: unknown[]) => ({ role: "assistant", content: null, tool_calls });
  const tool = (id: unknown, content: unknown = "r") => ({ role: "tool", tool_call_id: id, content });

  it("allows what OpenAI allows", () => {
    for (const messages of [
      [{ role: "system", content: "s" }, { role: "developer", content: [t("d")] }, u(""), u("hi")],
      [a("hello"), a("again")],
      [calls(call("1"), call("2")), tool("2"), tool("1", [t("r")]), u("go"), { role: "system", content: "s" }],
      [
        { role: "assistant", tool_calls: [{ id: "1", type: "custom", custom: { name: "g", input: "" } }] },
        tool("1", ""),
      ],
      [
        u([t("x"), { type: "image_url", image_url: { url: "data:" } }]),
        { role: "assistant", content: null, refusal: "no" },
      ],
      [calls(call("1")), tool("1"), calls(call("1")), tool("1")],
    ])
      expect(checkMessages("openai", messages)).toEqual([]);
  });

  it.each<[string, unknown[], string]>([
    ["no message", [], "at least one"],
    ["no object", [null], "messages[0]: a message is an object"],
    ["an unknown role", [{ role: "toString", content: "" }], "unknown role"],
    ["null content of the user", [u(null)], "content is a string or a list"],
    ["an empty list", [u([])], "empty list"],
    [
      "a part of another role",
      [{ role: "system", content: [{ type: "image_url", image_url: {} }] }],
      "content[0] is no part",
    ],
    ["a part by what objects have", [u([{ type: "__proto__", "[object Object]": {} }])], "content[0] is no part"],
    ["a part without its text", [u([{ type: "text" }])], "lacks its text"],
    ["an assistant that says nothing", [{ role: "assistant" }], "has content, tool_calls or a refusal"],
    ["empty tool_calls", [{ role: "assistant", content: "x", tool_calls: [] }], "non-empty list"],
    ["a call without id", [calls(call(undefined))], "tool_calls[0].id"],
    ["a long id", [calls(call("x".repeat(41)))], "1 to 40"],
    ["a doubled id", [calls(call("1"), call("1")), tool("1")], "occurs twice"],
    ["a call without kind", [calls(call("1", { type: undefined }))], "function or custom"],
    [
      "arguments that are no string",
      [calls(call("1", { function: { name: "f", arguments: {} } })), tool("1")],
      "arguments is a string",
    ],
    ["a bad name", [calls(call("1", { function: { name: "a b", arguments: "" } })), tool("1")], "name that matches"],
    ["an unanswered call", [calls(call("1"))], "messages[0]: call 1 is not followed"],
    ["a partly answered reply", [calls(call("1"), call("2")), tool("1"), u("x")], "call 2 is not followed"],
    ["a late result", [calls(call("1")), u("x"), tool("1")], "no call 1 before it"],
    ["a stray result", [u("x"), tool("1")], "messages[1]: no call 1"],
    ["a doubled result", [calls(call("1")), tool("1"), tool("1")], "a second result for 1"],
    ["a result without id", [calls(call("1")), tool(undefined)], "names its tool_call_id"],
    ["null content of a result", [calls(call("1")), tool("1", null)], "content is a string or a list"],
    ["calls of the user", [{ ...u("x"), tool_calls: [call("1")] }], "only assistant messages"],
    ["tool_call_id of the user", [{ ...u("x"), tool_call_id: "1" }], "only tool messages"],
  ])("refuses %s (OpenAI)", (_, messages, violation) => {
    expect(checkMessages("openai", messages).join("\n")).toContain(violation);
  });
});
