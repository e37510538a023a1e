import { expect, test } from "vitest";
import { parseToolArguments, toolDefinitions, toolNames } from "../../src/contract/tools.ts";
import { batchTasksMax, instructionsBytesMax, resultBytesMax } from "../../src/limits.ts";

const parse = (tool: string, args: unknown) => parseToolArguments(tool, JSON.stringify(args));
const messageOf = (tool: string, args: unknown) => {
  const parsed = parse(tool, args);
  return parsed.ok ? "accepted" : parsed.message;
};

test("T1 definitions are flat object schemas without references, in both vendors' forms", () => {
  const anthropic = toolDefinitions("anthropic") as { name: string; input_schema: object }[];
  const openai = toolDefinitions("openai") as { type: string; function: { name: string; parameters: object } }[];
  expect(anthropic.map(({ name }) => name)).toEqual(toolNames);
  expect(openai.map((entry) => entry.function.parameters)).toEqual(anthropic.map((entry) => entry.input_schema));
  expect(openai.every(({ type }) => type === "function")).toBe(true);
  for (const { input_schema: schema } of anthropic) {
    expect(schema).toMatchObject({ type: "object" });
    expect(Object.keys(schema).filter((key) => !["type", "properties", "required"].includes(key))).toEqual([]);
    expect(JSON.stringify(schema)).not.toContain("$ref");
  }
});

test("all tools cost 3,500 tokens at most in every request, at four characters a token, and a selection less", () => {
  const size = (only?: typeof toolNames) => JSON.stringify(toolDefinitions("anthropic", only)).length;
  expect(size()).toBeLessThanOrEqual(14_000);
  expect(size(["create_task", "await_tasks", "finish"])).toBeLessThan(size() / 2);
});

test("what models read about the tools", () => {
  expect(toolDefinitions("anthropic")).toMatchSnapshot();
});

test.each(["mcp", "json-schema"] as const)("the tools as %s have the vendors' schemas", (format) => {
  const anthropic = toolDefinitions("anthropic") as { description: string; input_schema: object }[];
  const listed = toolDefinitions(format) as Record<string, unknown>[];
  expect(listed.map((tool) => tool.inputSchema ?? tool.schema)).toEqual(anthropic.map((tool) => tool.input_schema));
  expect(listed.map((tool) => tool.description)).toEqual(anthropic.map((tool) => tool.description));
  // The rest, without what the snapshot above has already.
  expect(
    listed.map(({ description: _, inputSchema, schema, ...rest }) => ({
      ...rest,
      keys: Object.keys((inputSchema ?? schema) as object),
    })),
  ).toMatchSnapshot();
});

test("create_task takes a batch, or one task's fields", () => {
  expect(
    parse("create_task", { tasks: [{ instructions: "a" }, { key: "b", instructions: "{{a}}", after: ["a"] }] }),
  ).toEqual({
    ok: true,
    call: {
      tool: "create_task",
      tasks: [{ instructions: "a" }, { key: "b", instructions: "{{a}}", after: ["a"] }],
      groups: {},
    },
  });
  expect(parse("create_task", { instructions: "a", fork: { last: 3 }, labels: { of: "x" } })).toEqual({
    ok: true,
    call: { tool: "create_task", tasks: [{ instructions: "a", fork: { last: 3 }, labels: { of: "x" } }], groups: {} },
  });
  const reviews = { tasks: [{ instructions: "a", group: "reviews" }], groups: { reviews: { require: 1 } } };
  expect(parse("create_task", reviews)).toEqual({ ok: true, call: { tool: "create_task", ...reviews } });
});

test("T3 messages in context stay the text received", () => {
  const message = '{"role" : "user","content":[ {"type":"text","text":"\\u00e9 1.0","n":1.0} ]}';
  const one = parseToolArguments(
    "create_task",
    `{"instructions":"x","context":[${message} , {"role":"user","content":"b"}]}`,
  );
  const texts = { messages: [message, '{"role":"user","content":"b"}'] };
  expect(one).toMatchObject({ ok: true, call: { tasks: [{ context: texts }] } });
  const batch = parseToolArguments(
    "create_task",
    `{"tasks":[{"instructions":"w","context":"text"},{"context":[${message} , {"role":"user","content":"b"}],"instructions":"x"}]}`,
  );
  expect(batch).toMatchObject({ ok: true, call: { tasks: [{ context: "text" }, { context: texts }] } });
});

test("of a key given twice the last counts, for the check and for the text alike", () => {
  const parsed = parseToolArguments(
    "create_task",
    '{"instructions":"x","context":[{"role":"a"}],"context":[{"role":"b"},{"role":"c"}]}',
  );
  expect(parsed).toMatchObject({
    ok: true,
    call: { tasks: [{ context: { messages: ['{"role":"b"}', '{"role":"c"}'] } }] },
  });
});

test.each([
  ["create_task", {}, "create_task: instructions: required: expected string"],
  [
    "create_task",
    { tasks: [{ instructions: "a" }, { instructions: 7 }] },
    "tasks[1].instructions: expected string, received number",
  ],
  ["create_task", { tasks: [{ instructions: "a", promt: "b" }] }, "tasks[0].promt: unknown field"],
  [
    "create_task",
    { tasks: [{ instruction: "a" }] },
    'tasks[0].instruction: unknown field; did you mean "instructions"?',
  ],
  ["create_task", { tasks: [] }, "tasks: Too small: expected array to have >=1 items"],
  [
    "create_task",
    { tasks: Array.from({ length: batchTasksMax + 1 }, () => ({ instructions: "a" })) },
    "tasks: Too big",
  ],
  ["create_task", { tasks: [{ instructions: "a" }], instructions: "b" }, "unknown field"],
  [
    "create_task",
    { instructions: "a", fork: "half" },
    'fork: expected "full", "auto", "none", {"snapshot": hash} or {"last": n}',
  ],
  ["create_task", { instructions: "a", fork: { last: 0 } }, "fork.last: Too small"],
  ["create_task", { instructions: "a", key: "A b" }, "key: a key is [a-z][a-z0-9_-]{0,63}"],
  [
    "create_task",
    { tasks: [{ instructions: "a", group: "g" }], groups: { "A b": { require: 1 } } },
    'groups["A b"]: a group\'s name is [a-z][a-z0-9_-]{0,63}',
  ],
  [
    "create_task",
    { instructions: "a", context: [{ content: "no role" }] },
    "context[0].role: required: expected string",
  ],
  [
    "create_task",
    { instructions: "é".repeat(instructionsBytesMax / 2 + 1) },
    `instructions: at most ${instructionsBytesMax} bytes`,
  ],
  ["await_tasks", { tasks: "a" }, "tasks: expected array, received string"],
  ["await_tasks", { tasks: ["a"], mode: "one" }, 'mode: expected one of "all"|"any"|"settled"'],
  ["inspect", { path: "a" }, "task: required with `path` or `offset`"],
  ["inspect", { task: "a", variable: "b" }, "variable: give `task` or `variable`, not both"],
  ["cancel_task", {}, "task: required: expected string"],
  ["finish", {}, "result: required, unless `error` is given"],
  ["finish", { result: 1, error: "x" }, "error: give `result` or `error`, not both"],
  ["finish", { result: "x".repeat(resultBytesMax) }, `result: at most ${resultBytesMax} bytes`],
  ["finish", [1], "the arguments must be one JSON object"],
  ["finish", { result: JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`) }, "nests deeper than 64 levels"],
  ["shared_map", { op: "get", name: "m", key: "\ud800" }, "key: half of a surrogate pair stands alone"],
  ["shared_memory", { op: "write", name: "m", text: "a\udc00" }, "text: half of a surrogate pair stands alone"],
])("%s %j says what is wrong", (tool, args, expected) => {
  expect(messageOf(tool, args)).toContain(expected);
});

test("T2 text that is no JSON is answered, whatever it holds", () => {
  expect(parseToolArguments("finish", '{"result": ')).toMatchObject({ ok: false, code: "bad_arguments" });
  expect(parseToolArguments("finish", "[".repeat(100_000))).toMatchObject({ ok: false, code: "bad_arguments" });
  expect(parseToolArguments("create_task", '{"instructions":"a","__proto__":{"pool":"x"}}')).toMatchObject({
    ok: false,
  });
});

test("an unknown tool is named with those that exist", () => {
  expect(parse("toString", {})).toMatchObject({
    ok: false,
    code: "unknown_tool",
    message: expect.stringContaining("create_task"),
  });
});

test("defaults and targets", () => {
  expect(parse("await_tasks", { tasks: ["a"] })).toEqual({
    ok: true,
    call: { tool: "await_tasks", tasks: ["a"], mode: "all" },
  });
  expect(parse("await_tasks", { tasks: ["a"], mode: "any", timeout_ms: 5 })).toMatchObject({
    call: { mode: "any", timeoutMs: 5 },
  });
  expect(parseToolArguments("inspect", "")).toEqual({ ok: true, call: { tool: "inspect", target: { run: true } } });
  expect(parse("inspect", { task: "a", path: "b[0]", offset: 9 })).toMatchObject({
    call: { target: { task: "a", path: "b[0]", offset: 9 } },
  });
  expect(parse("inspect", { variable: "v" })).toMatchObject({ call: { target: { variable: "v" } } });
  expect(parse("finish", { result: null })).toEqual({ ok: true, call: { tool: "finish", result: null } });
  expect(parse("finish", { error: "can't" })).toEqual({
    ok: true,
    call: { tool: "finish", error: { code: "agent_error", message: "can't" }, retryable: false },
  });
  expect(parse("finish", { error: { code: "no_data", message: "m" }, retryable: true })).toMatchObject({
    call: { error: { code: "no_data", message: "m" }, retryable: true },
  });
});
