import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  answeredIds,
  assistantText,
  openCalls,
  roleOf,
  toolCalls,
  toolResultMessages,
  userMessage,
} from "../../src/context/calls.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { anyEnding, formats, parsed, transcripts } from "./transcripts.ts";

const anthropicReply = `{"role":"assistant","content":[ {"type":"text","text":"I "},{"type":"server_tool_use","id":"s1","name":"web_search","input":{}},
  {"type":"text","text":"fork."}, {"type":"tool_use","id":"a","name":"create_task","input":{"b": 1.0, "a":"\\u00e9"}},
  {"input":{},"name":"lock","id":"b","type":"tool_use"}]}`;
const openaiReply = JSON.stringify({
  role: "assistant",
  content: "I fork.",
  tool_calls: [
    { id: "a", type: "function", function: { name: "create_task", arguments: '{"b": 1.0' } },
    { id: "b", type: "custom", custom: { name: "sql", input: 'select "x"' } },
    { id: "c", type: "function", function: { name: "noop", arguments: "" } },
  ],
});

describe("toolCalls", () => {
  it("gives Anthropic's calls in order with the exact text of input, and no server tools", () => {
    expect(toolCalls("anthropic", anthropicReply)).toEqual([
      { id: "a", name: "create_task", arguments: '{"b": 1.0, "a":"\\u00e9"}' },
      { id: "b", name: "lock", arguments: "{}" },
    ]);
  });

  it("gives OpenAI's calls in order, malformed arguments and custom tools included", () => {
    expect(toolCalls("openai", openaiReply)).toEqual([
      { id: "a", name: "create_task", arguments: '{"b": 1.0' },
      { id: "b", name: "sql", arguments: '"select \\"x\\""' },
      { id: "c", name: "noop", arguments: "" },
    ]);
  });

  it("finds none in other messages, nor in broken ones", () => {
    for (const format of formats)
      for (const message of [
        userMessage(format, "hi"),
        anthropicReply.replace('"assistant"', '"user"'),
        openaiReply.replace('"assistant"', '"user"'),
        '{"role":"assistant","content":null,"tool_calls":null}',
        '{"role":"assistant","content":[1,"x",null,{"type":"tool_use"}],"tool_calls":[1,{"id":1}]}',
        '{"content":[]}',
        "[]",
        '"assistant"',
      ])
        expect(toolCalls(format, message)).toEqual([]);
    expect(roleOf('{"role":1}')).toBeUndefined();
  });
});

describe("openCalls", () => {
  it("property: is all calls of an open reply, none of an answered one, and the rest of a partly answered one", () => {
    fc.assert(
      fc.property(transcripts(anyEnding), ({ format, messages, ending }) => {
        const open = openCalls(format, messages);
        if (ending !== "open") {
          expect(open).toEqual([]);
          return;
        }
        expect(open).toEqual(toolCalls(format, messages.at(-1)!));
        expect(open.length).toBeGreaterThan(0);
        const [first, ...rest] = open;
        const partly = [...messages, ...toolResultMessages(format, [{ id: first!.id, text: "done", isError: false }])];
        expect(openCalls(format, partly)).toEqual(rest);
        expect(openCalls(format, [...partly, userMessage(format, "hm")])).toEqual([]);
      }),
    );
    expect(openCalls("openai", [])).toEqual([]);
  });
});

describe("toolResultMessages", () => {
  const results = [
    { id: "a", text: "", isError: false },
    { id: "b", text: '{"error":{"code":"timeout"}}', isError: true },
  ];

  it("is one user message for Anthropic, is_error only when true", () => {
    expect(toolResultMessages("anthropic", results)).toEqual([
      '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"},{"type":"tool_result","tool_use_id":"b","content":"{\\"error\\":{\\"code\\":\\"timeout\\"}}","is_error":true}]}',
    ]);
  });

  it("is a tool message each for OpenAI", () => {
    expect(toolResultMessages("openai", results)).toEqual([
      '{"role":"tool","tool_call_id":"a","content":""}',
      '{"role":"tool","tool_call_id":"b","content":"{\\"error\\":{\\"code\\":\\"timeout\\"}}"}',
    ]);
  });

  it("is nothing for no results", () => {
    for (const format of formats) expect(toolResultMessages(format, [])).toEqual([]);
  });

  it("property: closes any open transcript by the rules", () => {
    fc.assert(
      fc.property(transcripts(fc.constant("open" as const)), fc.boolean(), ({ format, messages }, isError) => {
        const answers = toolResultMessages(
          format,
          openCalls(format, messages).map(({ id }) => ({ id, text: "ok", isError })),
        );
        const closed = [...messages, ...answers];
        expect(checkMessages(format, parsed(messages))).not.toEqual([]);
        expect(checkMessages(format, parsed(closed))).toEqual([]);
        expect(answers.flatMap((message) => answeredIds(format, message))).toEqual(
          openCalls(format, messages).map(({ id }) => id),
        );
      }),
    );
  });
});

describe("assistantText", () => {
  it("joins the visible text", () => {
    expect(assistantText("anthropic", anthropicReply)).toBe("I fork.");
    expect(assistantText("openai", openaiReply)).toBe("I fork.");
    expect(assistantText("anthropic", '{"role":"assistant","content":"a\\u00e9"}')).toBe("aé");
    expect(
      assistantText(
        "anthropic",
        '{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"s"},{"type":"text","text":"y"}]}',
      ),
    ).toBe("y");
    expect(assistantText("openai", '{"role":"assistant","content":null}')).toBe("");
  });
});
