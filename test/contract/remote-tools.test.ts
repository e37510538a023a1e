import { describe, expect, test } from "vitest";
import { mismatchOf } from "../../src/contract/field-errors.ts";
import { runToolsSchema } from "../../src/contract/mcp-servers.ts";
import { remoteToolSchema, toolsText, toolWithText } from "../../src/contract/remote-tools.ts";
import { toolDefinitions } from "../../src/contract/tools.ts";
import { remoteToolsBytesMax, remoteToolsMax } from "../../src/limits.ts";

const shell = { name: "shell", description: "Runs a command.", input_schema: { type: "object" }, pool: "box" };

const mismatch = (tools: unknown) => {
  const parsed = runToolsSchema.safeParse(tools);
  return parsed.success ? undefined : mismatchOf(parsed.error);
};

describe("a declaration that is refused names its field", () => {
  test.each<[string, object, string]>([
    ["neither pool nor url", { pool: undefined }, "[0].pool"],
    ["both", { url: "https://a.example/" }, "[0].pool"],
    ["Heddle's own pool", { pool: "hosted" }, "[0].pool"],
    ["a pool that is no name", { pool: "My Pool" }, "[0].pool"],
    ["one of Heddle's names", { name: "create_task" }, "[0].name"],
    ["a name with a dot", { name: "fs.read" }, "[0].name"],
    ["a name of 65 characters", { name: "x".repeat(65) }, "[0].name"],
    ["no description", { description: "" }, "[0].description"],
    ["a schema that is no object", { input_schema: [] }, "[0].input_schema"],
    ["a schema of another type", { input_schema: { type: "array" } }, "[0].input_schema.type"],
    ["a schema without a type", { input_schema: {} }, "[0].input_schema.type"],
    ["anyOf at the top", { input_schema: { type: "object", anyOf: [] } }, "[0].input_schema.anyOf"],
    ["properties that are a list", { input_schema: { type: "object", properties: [] } }, "[0].input_schema.properties"],
    [
      "a property that is no schema",
      { input_schema: { type: "object", properties: { a: 1 } } },
      "[0].input_schema.properties",
    ],
    [
      "required that is no list of names",
      { input_schema: { type: "object", required: "a" } },
      "[0].input_schema.required",
    ],
    ["no time", { timeout_ms: 0 }, "[0].timeout_ms"],
    ["more than an hour", { timeout_ms: 3_600_001 }, "[0].timeout_ms"],
    ["retries beyond what there may be", { retries: { limit: 21 } }, "[0].retries.limit"],
    ["retries with a backoff", { retries: { limit: 1, backoff_ms: 5 } }, "[0].retries.backoff_ms"],
    ["a field that there is none", { strict: true }, "[0].strict"],
  ])("%s", (_, change, path) => {
    const tool = Object.fromEntries(Object.entries({ ...shell, ...change }).filter(([, value]) => value !== undefined));
    expect(mismatch([tool])).toMatchObject({ code: "validation_failed", errors: [{ path }] });
  });

  test("a name that is used twice, too many, and too much in all", () => {
    expect(mismatch([shell, { ...shell, name: "other" }, shell])).toMatchObject({ errors: [{ path: "[2].name" }] });
    const many = Array.from({ length: remoteToolsMax + 1 }, (_, i) => ({ ...shell, name: `t${i}` }));
    expect(mismatch(many)?.code).toBe("validation_failed");
    const large = { type: "object", description: "x".repeat(remoteToolsBytesMax) };
    expect(mismatch([{ ...shell, input_schema: large }])?.code).toBe("tools_too_large");
  });
});

test("defaults: five minutes, two retries", () => {
  expect(runToolsSchema.parse([shell])).toEqual([{ ...shell, timeout_ms: 300_000, retries: { limit: 2 } }]);
  expect(runToolsSchema.parse([{ ...shell, retries: {} }])[0]!.retries).toEqual({ limit: 2 });
});

test("a model is shown Heddle's tools and then the run's, each schema as the text received", () => {
  const schema = '{"type":"object", "properties" : {"b":{}, "2":{}, "1":{"maximum":1e3}}}';
  const text = `[{"name":"shell","pool":"box","description":"Runs \\"it\\".","input_schema": ${schema} }]`;
  const declared = [toolWithText(remoteToolSchema.parse(JSON.parse(text)[0]), text.slice(1, -1))];
  for (const format of ["anthropic", "openai"] as const) {
    const whole = toolsText(format, declared);
    expect(whole).toBe(toolsText(format, declared));
    expect(whole).toContain(schema);
    const own = toolDefinitions(format);
    const all = JSON.parse(whole) as unknown[];
    expect(all.slice(0, -1)).toEqual(own);
    const named = { name: "shell", description: 'Runs "it".' };
    const parameters = JSON.parse(schema);
    expect(all.at(-1)).toEqual(
      format === "anthropic"
        ? { ...named, input_schema: parameters }
        : { type: "function", function: { ...named, parameters } },
    );
  }
});
