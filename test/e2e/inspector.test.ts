/** The MCP Inspector's command on a real server: what somebody sees who tries the door before any agent does. */

import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { sharedServer } from "./lib/shared.ts";
import { plays } from "./lib/sim.ts";

const server = sharedServer();
// The program looks for its own package.json above the folder that it is started in.
const cwd = join(
  dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector-cli/package.json")),
  "build",
);

interface Answer {
  readonly isError?: boolean;
  readonly content: readonly { readonly text: string }[];
  readonly structuredContent: Readonly<Record<string, unknown>>;
}

/** Of a tenant that has no runs but those of this file. */
let own: string;
beforeAll(async () => {
  const operator = "hdl_local_admin";
  const { id } = (await server.call("POST", "/admin/tenants", { name: "inspected" }, operator)).json;
  own = (await server.call("POST", `/admin/tenants/${id}/keys`, { scopes: ["runs"] }, operator)).json.key;
});

/** What the Inspector printed; a call that fails rejects with what it wrote to stderr as `stderr`. */
async function inspect<T>(method: string, args: readonly string[] = [], key = own): Promise<T> {
  const given = [`${server.url}/mcp`, "--header", `Authorization: Bearer ${key}`, "--method", method, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, ["index.js", ...given], { cwd });
  return JSON.parse(stdout) as T;
}

const call = (tool: string, args: readonly string[] = []) =>
  inspect<Answer>("tools/call", ["--tool-name", tool, ...(args.length === 0 ? [] : ["--tool-arg", ...args])]);
const refusal = (asked: Promise<unknown>) =>
  asked.then(
    () => "nothing was refused",
    ({ stderr }) => stderr as string,
  );

// Each call is a process of its own, and waits for most of its time.
describe.concurrent("the Inspector", () => {
  it("lists the tools, with a schema each", async () => {
    const { tools } = await inspect<{ tools: { name: string; inputSchema: object }[] }>("tools/list");
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["start_run", "create_task", "wait", "lock"]));
    for (const { name, inputSchema } of tools) expect(inputSchema, name).toMatchObject({ type: "object" });
  });

  it("runs a task to its end, and reads it as a resource", async () => {
    const { structuredContent } = await call("start_run", ["name=inspected", "context=We sell kettles."]);
    const run = structuredContent.id as string;
    const task = JSON.stringify([{ key: "a", instructions: plays([{ text: "Kettle One" }]) }]);
    const made = await call("create_task", [`run=${run}`, `tasks=${task}`]);
    expect(made.structuredContent).toMatchObject({ tasks: [{ key: "a" }] });
    const waited = await call("wait", [`run=${run}`]);
    expect(waited.structuredContent).toMatchObject({ done: true, counts: { succeeded: 1 } });
    const { resources } = await inspect<{ resources: { uri: string }[] }>("resources/list");
    expect(resources.map(({ uri }) => uri)).toEqual([`heddle://runs/${run}`]);
    const read = ["--uri", `heddle://runs/${run}/tasks/a`];
    const { contents } = await inspect<{ contents: { text: string }[] }>("resources/read", read);
    expect(JSON.parse(contents[0]!.text)).toMatchObject({ state: "succeeded", result: "Kettle One" });
    const none = await refusal(inspect("resources/read", ["--uri", `heddle://runs/${run}/tasks/none`]));
    expect(none).toContain("Resource not found");
  });

  it("lists templates and prompts, and gets a prompt with its argument", async () => {
    const [{ resourceTemplates }, { prompts }, prompt] = await Promise.all([
      inspect<{ resourceTemplates: unknown[] }>("resources/templates/list"),
      inspect<{ prompts: { name: string }[] }>("prompts/list"),
      inspect("prompts/get", ["--prompt-name", "when_to_lock", "--prompt-args", "shared=the till"]),
    ]);
    expect(resourceTemplates).toHaveLength(5);
    expect(prompts.map(({ name }) => name)).toEqual(["when_to_fork", "when_to_lock", "diagnose_run"]);
    expect(JSON.stringify(prompt)).toContain("the till");
  });

  it("is told what was wrong: the key, the tool, its arguments", async () => {
    const [key, tool, args] = await Promise.all([
      refusal(inspect("tools/list", [], "hdl_nobody")),
      refusal(call("begin_run")),
      call("start_run", ["budget=plenty"]),
    ]);
    expect(key).toContain('"code":"unauthorized"');
    expect(key).toContain("the key is unknown or revoked");
    expect(tool).toContain('there is no tool "begin_run"; there are start_run, wait');
    expect(args.isError).toBe(true);
    expect(JSON.parse(args.content[0]!.text)).toMatchObject({ error: { code: "bad_arguments" } });
  });
});
