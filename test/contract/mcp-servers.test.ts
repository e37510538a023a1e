/** MCP servers among a run's tools: what is refused, by which field, and what becomes of a server's list. */

import { describe, expect, test } from "vitest";
import { mismatchOf } from "../../src/contract/field-errors.ts";
import { checkDeclared, isMcpServer, runToolsSchema, toolsOfServer } from "../../src/contract/mcp-servers.ts";
import { toolDescriptionCharsMax } from "../../src/limits.ts";

const url = "https://tools.example/mcp";
const server = { mcp: { url }, allow: ["read"] };
const shell = { name: "shell", description: "Runs a command.", input_schema: { type: "object" }, pool: "box" };

test.each<[string, object, string]>([
  ["no address", { mcp: {} }, "[0].mcp.url"],
  ["what is no object", { mcp: 5 }, "[0].mcp"],
  ["nothing allowed", { allow: [] }, "[0].allow"],
  ["a prefix that no name may have", { prefix: "a b" }, "[0].prefix"],
  ["a credential that is no name", { mcp: { url, credential: "Not One" } }, "[0].mcp.credential"],
  ["a field of remote tools", { name: "x" }, "[0].name"],
  ["no time", { timeout_ms: 0 }, "[0].timeout_ms"],
])("%s is told by its field", (_, change, path) => {
  const parsed = runToolsSchema.safeParse([{ ...server, ...change }]);
  expect(parsed.success ? undefined : mismatchOf(parsed.error)).toMatchObject({
    code: "validation_failed",
    errors: [{ path }],
  });
});

test("both kinds stand beside one another", () => {
  expect(runToolsSchema.parse([shell, server, { ...server, prefix: "b_" }]).map(isMcpServer)).toEqual([
    false,
    true,
    true,
  ]);
});

describe("a server's list", () => {
  const parsed = (more: object = {}) => {
    const [one] = runToolsSchema.parse([{ ...server, allow: ["read", "write"], ...more }]);
    if (!one || !isMcpServer(one)) throw new Error("it is one");
    return one;
  };
  const inputSchema = { type: "object", properties: { b: {}, a: {} } };
  const listed = [
    { name: "other", inputSchema },
    { name: "write", inputSchema, description: "x".repeat(toolDescriptionCharsMax + 1) },
    { name: "read", inputSchema, description: "Reads.", annotations: { readOnlyHint: true } },
  ];

  test("has no schema that nests deeper than one in a request, nor a number beyond all", () => {
    const deep: object = JSON.parse(`{"type":"object","x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`);
    const odd = [
      { name: "read", inputSchema: deep },
      { name: "write", inputSchema: { type: "object", maximum: Infinity } },
    ];
    expect(toolsOfServer(parsed(), odd)).toEqual({
      tools: [],
      errors: [
        { path: ".allow[0]", message: 'the schema of the server\'s tool "read" nests deeper than 64 levels' },
        { path: ".allow[1]", message: 'the schema of the server\'s tool "write" has a number beyond ±1.8e308' },
      ],
    });
  });

  test("gives the tools that are allowed, in that order, under their prefix", () => {
    const { tools, errors } = toolsOfServer(parsed({ prefix: "fs_", retries: { limit: 0 } }), listed);
    expect(errors).toEqual([]);
    expect(tools).toMatchObject([
      { name: "fs_read", description: "Reads.", url, mcp: { tool: "read", repeats: true }, retries: { limit: 0 } },
      { name: "fs_write", url, mcp: { tool: "write", repeats: false } },
    ]);
    expect(tools[0]!.input_schema).toBe(JSON.stringify(inputSchema));
    expect(tools[1]!.description.length).toBe(toolDescriptionCharsMax);
    expect(checkDeclared(tools)).toBeUndefined();
  });

  test("lacks a tool, or has one that can't be named here", () => {
    expect(toolsOfServer(parsed(), listed.slice(0, 1)).errors).toEqual([
      { path: ".allow[0]", message: 'the server has no tool "read"; it has other' },
      { path: ".allow[1]", message: 'the server has no tool "write"; it has other' },
    ]);
    expect(toolsOfServer(parsed(), []).errors[0]!.message).toContain("it has none");
    expect(toolsOfServer(parsed({ allow: ["a.b"] }), [{ name: "a.b", inputSchema }]).errors).toMatchObject([
      { path: ".allow[0]" },
    ]);
  });

  test("has names that are taken, or schemas that providers refuse", () => {
    const of = (name: string, schema: object) =>
      toolsOfServer(parsed({ allow: [name] }), [{ name, inputSchema: schema }]).tools;
    const refused = (tools: ReturnType<typeof of>) => mismatchOf(checkDeclared(tools)!).errors.map(({ path }) => path);
    expect(refused(of("lock", inputSchema))).toEqual(["[0].name"]);
    expect(refused([...of("read", inputSchema), ...of("read", inputSchema)])).toEqual(["[1].name"]);
    expect(refused(of("read", { type: "object", oneOf: [] }))).toEqual(["[0].input_schema.oneOf"]);
  });
});
