import { describe, expect, test } from "vitest";
import { chatParams, chatTools } from "../../src/loops/openai-responses-context.ts";

describe("what forks are asked with", () => {
  test("has functions and custom tools, and none that the provider runs by itself", () => {
    const parameters = { type: "object" };
    const grammar = { type: "grammar", definition: "start: /x/", syntax: "lark" } as const;
    expect(
      chatTools([
        { type: "function", name: "a", description: "A.", parameters, strict: false },
        { type: "web_search" },
        { type: "function", name: "b", parameters: null, strict: true },
        { type: "custom", name: "c", description: "C.", format: grammar },
        { type: "custom", name: "d", format: { type: "text" } },
        { type: "mcp", server_label: "m", server_url: "https://x.test" },
      ]),
    ).toEqual([
      { type: "function", function: { name: "a", description: "A.", parameters } },
      { type: "function", function: { name: "b", strict: true } },
      {
        type: "custom",
        custom: {
          name: "c",
          description: "C.",
          format: { type: "grammar", grammar: { definition: "start: /x/", syntax: "lark" } },
        },
      },
      { type: "custom", custom: { name: "d", format: { type: "text" } } },
    ]);
  });

  test("has the parameters that chat completions know, by their names there", () => {
    const schema = { type: "json_schema", name: "s", schema: { type: "object" }, strict: true };
    expect(
      chatParams({
        prompt_cache_key: "k",
        temperature: 0.2,
        top_p: null,
        reasoning: { effort: "low", summary: "auto" },
        text: { verbosity: "low", format: schema },
        max_output_tokens: 900,
        instructions: "Be brief.",
        store: false,
        include: ["reasoning.encrypted_content"],
        stream: true,
        previous_response_id: "resp_1",
      }),
    ).toEqual({
      prompt_cache_key: "k",
      temperature: 0.2,
      reasoning_effort: "low",
      verbosity: "low",
      response_format: {
        type: "json_schema",
        json_schema: { name: "s", schema: { type: "object" }, strict: true },
      },
      max_completion_tokens: 900,
    });
    expect(chatParams({ text: { format: { type: "text" } } })).toEqual({});
    expect(chatParams({ text: { format: { type: "json_object" } } })).toEqual({
      response_format: { type: "json_object" },
    });
  });

  test.each([
    ["auto", "auto"],
    [
      { type: "function", name: "f" },
      { type: "function", function: { name: "f" } },
    ],
    [
      { type: "custom", name: "f" },
      { type: "custom", custom: { name: "f" } },
    ],
    [{ type: "web_search_preview" }, undefined],
    [
      { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }, { type: "web_search" }] },
      {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] },
      },
    ],
    [{ type: "allowed_tools", mode: "required", tools: [{ type: "web_search" }] }, undefined],
  ])("the choice %j is %j there", (tool_choice, expected) => {
    expect(chatParams({ tool_choice }).tool_choice).toEqual(expected);
  });
});
