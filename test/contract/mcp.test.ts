/** What MCP clients are shown: tools, results, resources, prompts. */

import { expect, test } from "vitest";
import { mcpPrompts } from "../../src/contract/mcp-prompts.ts";
import { mcpTemplates, resourceOf, runUri } from "../../src/contract/mcp-resources.ts";
import { isAddress, mcpQuery, mcpTools, parseAddress, parseOwnTool } from "../../src/contract/mcp-tools.ts";
import { createRunBody } from "../../src/contract/run-requests.ts";
import { toolDefinitions, toolNames } from "../../src/contract/tools.ts";

const names = (tools: readonly { name: string }[]) => tools.map(({ name }) => name);

test("a key is offered all but finish, with the run that a call is for; a lease finish, and no run", () => {
  const key = mcpTools("key");
  expect(names(key)).toEqual(["start_run", "wait", "list_runs", ...toolNames.filter((name) => name !== "finish")]);
  for (const { name, inputSchema } of key) {
    const takesRun = toolNames.includes(name as never);
    expect((inputSchema.required as string[] | undefined)?.includes("run") ?? false, name).toBe(takesRun);
    const properties = Object.keys(inputSchema.properties as object);
    expect(properties.includes("actor"), name).toBe(name === "lock" || name === "semaphore");
  }
  const lease = mcpTools("lease");
  expect(names(lease)).toEqual(["wait", ...toolNames]);
  for (const { inputSchema } of lease) expect(Object.keys(inputSchema.properties as object)).not.toContain("run");
  expect(names(mcpTools("key", ["lock", "create_task"]))).toEqual(["create_task", "lock"]);
});

test("every tool's schemas are objects without references, and its input is the tool's own", () => {
  const own = new Map(
    (toolDefinitions("mcp") as { name: string; inputSchema: { properties: object } }[]).map((t) => [t.name, t]),
  );
  for (const bearer of ["key", "lease"] as const)
    for (const { name, inputSchema, outputSchema } of mcpTools(bearer)) {
      expect([inputSchema.type, outputSchema.type], name).toEqual(["object", "object"]);
      expect(JSON.stringify([inputSchema, outputSchema])).not.toContain("$ref");
      const known = own.get(name);
      if (known) expect(inputSchema.properties).toMatchObject(known.inputSchema.properties);
    }
});

test("what models read costs 4,300 tokens at most, at four characters a token", () => {
  const shown = mcpTools("key").map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  expect(JSON.stringify(shown).length / 4).toBeLessThan(4300);
});

test("texts that differ over MCP", () => {
  const described = (bearer: "key" | "lease") => new Map(mcpTools(bearer).map((tool) => [tool.name, tool.description]));
  expect(described("key").get("create_task")).toContain("not of your conversation");
  expect(described("lease").get("create_task")).toBe(described("key").get("create_task"));
  expect(Object.fromEntries([...described("key")].slice(0, 3))).toMatchSnapshot();
});

test("start_run is a run's body", () => {
  const whole = {
    ...{ name: "n", context: "all", system: "s", root: "do", format: "openai", model: "m" },
    ...{ workers: 2, tokens: 10, usd: 1, rules: "- at most 2 workers" },
  };
  for (const args of [{}, { context: "x" }, { model: "m" }, { workers: 3 }, whole]) {
    const parsed = parseOwnTool("key", "start_run", JSON.stringify(args));
    expect(parsed.ok && createRunBody.safeParse(JSON.parse(JSON.stringify(parsed.call))?.body).success).toBe(true);
  }
  const parsed = parseOwnTool("key", "start_run", JSON.stringify(whole));
  expect(parsed.ok && parsed.call).toMatchObject({
    body: {
      context: { format: "openai", model: "m", system: "s", messages: [{ role: "user", content: "all" }] },
      limits: { workers: 2, tokens: 10, usd: 1 },
      root: { instructions: "do" },
    },
  });
});

test("wrong arguments name the field", () => {
  const error = (name: "start_run" | "wait" | "list_runs", args: unknown, bearer: "key" | "lease" = "key") => {
    const parsed = parseOwnTool(bearer, name, JSON.stringify(args));
    return parsed.ok ? undefined : [parsed.error.code, parsed.error.message];
  };
  expect(error("start_run", { worker: 1 })).toEqual(["bad_arguments", expect.stringContaining("worker")]);
  expect(error("list_runs", { limit: 0 })?.[1]).toContain("limit");
  expect(error("wait", {})?.[1]).toContain("either `run` or `handle`");
  expect(error("wait", { run: "r", handle: "h" })?.[1]).toContain("either `run` or `handle`");
  expect(error("wait", { run: "r" }, "lease")?.[1]).toContain("handle");
  expect(error("wait", [])?.[1]).toContain("one JSON object");
  expect(parseAddress("key", "lock", {}).ok).toBe(false);
  expect(parseAddress("lease", "lock", {}).ok).toBe(true);
  expect(parseAddress("key", "lock", { run: "r", actor: 1 }).ok).toBe(false);
  expect([
    isAddress("key", "lock", "actor"),
    isAddress("key", "future", "actor"),
    isAddress("lease", "lock", "actor"),
  ]).toEqual([...[true, false, false]]);
});

test("the address's options: tools, and how long a call waits", () => {
  expect(mcpQuery.parse({})).toEqual({ wait_ms: 50_000 });
  expect(mcpQuery.parse({ tools: "wait,lock", wait_ms: "0" })).toEqual({ tools: ["wait", "lock"], wait_ms: 0 });
  for (const wrong of [{ tools: "locks" }, { tools: "" }, { wait_ms: "600001" }, { wait_ms: "-1" }, { x: "1" }])
    expect(mcpQuery.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
});

test("resources: every template is understood, and nothing else", () => {
  const uris = mcpTemplates.map(({ uriTemplate }) =>
    uriTemplate
      .replace("{run}", "r")
      .replace("{task}", "T")
      .replace(/\{\?.*\}/, ""),
  );
  expect(uris.map(resourceOf)).toEqual([
    { kind: "run", run: "r", query: {} },
    { kind: "findings", run: "r", query: {} },
    { kind: "timeline", run: "r", query: {} },
    { kind: "tasks", run: "r", query: {} },
    { kind: "task", run: "r", task: "T" },
  ]);
  expect(resourceOf(runUri("r"))).toMatchObject({ kind: "run" });
  expect(resourceOf("heddle://runs/r/tasks?state=failed&limit=2")).toMatchObject({
    query: { state: "failed", limit: "2" },
  });
  const wrong = [
    "",
    "heddle://runs",
    "heddle://runs/",
    "heddle://runs/r/events",
    "heddle://runs/r/findings/x",
    "heddle://runs/r?x=1",
  ];
  for (const uri of [
    ...wrong,
    "heddle://runs/r/tasks/T/x",
    "heddle://runs/a/../b",
    "file:///etc/passwd",
    "http://heddle/runs/r",
  ])
    expect(resourceOf(uri), uri).toBeUndefined();
});

test("prompts name what they are about", () => {
  for (const { name, arguments: taken, text } of mcpPrompts) {
    const given = Object.fromEntries(taken.map((one) => [one.name, "the-subject"]));
    expect(text(given), name).toContain("the-subject");
    expect(text({}), name).not.toContain("the-subject");
  }
  expect(mcpPrompts.map(({ name, description }) => [name, description])).toMatchSnapshot();
});
