/** MCP on a real server: official clients of the present and of the last version, durable tasks, cancellation, and the conformance suite. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, resultFromTaskOutcome } from "@modelcontextprotocol/ext-tasks/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, it } from "vitest";
import { until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;
const headers = { authorization: "Bearer hdl_local" };
const address = (query = "") => new URL(`${server.url}/mcp${query}`);

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
type Call = (name: string, args: object, options?: any) => Promise<any>;

/** One story for every version: work in parallel, a lock, a queue that is waited at. */
async function story(call: Call, again: Call): Promise<string> {
  const { id: run } = await call("start_run", { name: "story", context: "We sell kettles." });
  const slow = plays([{ calls: [{ tool: "future", arguments: { op: "await", name: "go" } }] }, { text: "slowly" }]);
  await call("create_task", {
    run,
    tasks: [
      { key: "slow", instructions: slow },
      { key: "quick", instructions: plays([{ text: "at once" }]) },
    ],
  });
  const any = await call("await_tasks", { run, tasks: ["slow", "quick"], mode: "any" });
  expect(any.tasks).toContainEqual(expect.objectContaining({ key: "quick", result: "at once" }));
  const { handle, pending } = await again("await_tasks", { run, tasks: ["slow"] });
  expect(pending).toBe(true);
  await call("future", { run, op: "resolve", name: "go", value: 1 });
  expect(await call("wait", { handle })).toMatchObject({ tasks: [{ key: "slow", result: "slowly" }] });
  const { actor } = await call("lock", { run, op: "acquire", name: "till" });
  expect(await call("lock", { run, op: "release", name: "till", actor })).toEqual({ released: true });
  await expect(call("shared_map", { run, op: "get", name: "m" })).rejects.toThrow("bad_arguments");
  expect(await call("wait", { run })).toMatchObject({ done: true, counts: { succeeded: 2 } });
  expect((await heddle.run(run)).counts.succeeded).toBe(2);
  return run;
}

interface Result {
  readonly isError?: boolean;
  readonly structuredContent?: unknown;
  readonly content?: unknown;
}

/** Structured content; the client itself has checked it against the tool's schema. */
function structured({ isError, structuredContent, content }: Result): unknown {
  if (isError) throw new Error(JSON.stringify(content));
  return structuredContent;
}

async function connect(query?: string, capabilities: object = {}): Promise<Client> {
  const client = new Client({ name: "e2e", version: "1" }, { versionNegotiation: { mode: "auto" }, capabilities });
  await client.connect(new StreamableHTTPClientTransport(address(query), { requestInit: { headers } }));
  await client.listTools();
  return client;
}

// They wait for most of their time.
describe.concurrent("the official clients", () => {
  it("of 2026-07-28: tools, resources, prompts", async () => {
    const client = await connect();
    const hasty = await connect("?wait_ms=0");
    const by =
      (one: Client): Call =>
      async (name, args) =>
        structured((await one.callTool({ name, arguments: args as never })) as Result);
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    const uri = `heddle://runs/${await story(by(client), by(hasty))}`;
    const { contents } = await client.readResource({ uri: `${uri}/tasks/quick` });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ key: "quick", result: "at once" });
    expect((await client.listResourceTemplates()).resourceTemplates.length).toBe(5);
    await expect(client.readResource({ uri: `${uri}/tasks/none` })).rejects.toThrow("not found");
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toContain("when_to_fork");
    const { messages } = await client.getPrompt({ name: "when_to_lock", arguments: { shared: "the till" } });
    expect(JSON.stringify(messages)).toContain("the till");
    await Promise.all([client.close(), hasty.close()]);
  });

  it("of 2025: the same, and a wait that tells of its progress", async () => {
    const open = async (query: string) => {
      const client = new OldClient({ name: "e2e-old", version: "1" });
      const transport = new OldTransport(address(query), { requestInit: { headers } });
      await client.connect(transport as never);
      await client.listTools();
      return { client, transport };
    };
    const [{ client, transport }, hasty] = await Promise.all([open(""), open("?wait_ms=0")]);
    const by =
      (one: OldClient): Call =>
      async (name, args, options) =>
        structured((await one.callTool({ name, arguments: args as never }, undefined, options)) as Result);
    expect(transport.protocolVersion).toBe("2025-11-25");
    await story(by(client), by(hasty.client));
    const { id: run } = await by(client)("start_run", {});
    const told: string[] = [];
    const popped = by(client)(
      "message_queue",
      { run, op: "pop", name: "q" },
      { onprogress: ({ message }: { message?: string }) => told.push(message!) },
    );
    await until("progress is told", 30_000, async () => told.length > 0);
    await by(hasty.client)("message_queue", { run, op: "push", name: "q", messages: ["m"] });
    expect([await popped, told[0]]).toEqual([{ messages: ["m"] }, "waiting in message_queue"]);
    await Promise.all([client.close(), hasty.client.close()]);
  });

  it("who closes the connection waits no more: a queue's message is kept for another", async () => {
    const client = await connect();
    const { id: run } = structured((await client.callTool({ name: "start_run", arguments: {} })) as Result) as {
      id: string;
    };
    const hangUp = new AbortController();
    const popping = client.callTool(
      { name: "message_queue", arguments: { run, op: "pop", name: "q" } },
      { signal: hangUp.signal },
    );
    await until("it waits", 10_000, async () => (await heddle.actors(run)).actors.length === 1);
    hangUp.abort("enough");
    await expect(popping).rejects.toThrow();
    await until("its session is closed", 30_000, async () => (await heddle.actors(run)).actors.length === 0);
    await client.close();
  });
});

describe.concurrent("a call that its client has named", () => {
  const names = (client: Pick<Client, "callTool">) => {
    const ask = async (key: unknown, name: string, args: object, options?: object) =>
      (await client.callTool(
        { name, arguments: args as never, _meta: { "heddle/idempotency-key": key } },
        options as never,
      )) as Result;
    const call: Call = async (name, args, key) => structured(await ask(key, name, args));
    return { ask, call };
  };
  const opened = async (): Promise<Pick<Client, "callTool" | "close">[]> => {
    const old = new OldClient({ name: "e2e-old", version: "1" });
    await old.connect(new OldTransport(address(), { requestInit: { headers } }) as never);
    return [
      await connect(),
      {
        callTool: (params: never, options: never) => old.callTool(params, undefined, options),
        close: () => old.close(),
      },
    ] as Pick<Client, "callTool" | "close">[];
  };

  it("begins one run, makes one task, counts once and takes one message, however often it is sent", async () => {
    for (const client of await opened()) {
      const { ask, call } = names(client);
      const key = crypto.randomUUID();
      const twice = async (name: string, args: object) => {
        const first = await call(name, args, `${key}-${name}`);
        expect(await call(name, args, `${key}-${name}`), name).toEqual(first);
        return first;
      };
      const { id: run } = await twice("start_run", { name: "once" });
      await twice("create_task", { run, key: "only", instructions: plays([{ text: "done" }]) });
      const others = [ask(`${key}-start_run`, "start_run", {}), ask(`${key}-create_task`, "create_task", { run })];
      for (const other of others) expect(JSON.stringify(await other)).toContain("idempotency_mismatch");
      expect(await call("wait", { run }, "wait")).toMatchObject({ counts: { succeeded: 1 } });
      await call("atomic", { run, op: "add", name: "n", delta: 1 }, "add");
      expect(await call("atomic", { run, op: "add", name: "n", delta: 1 }, "add")).toMatchObject({ value: 1 });
      await call("message_queue", { run, op: "push", name: "q", messages: ["a", "b"] }, "push");
      await twice("message_queue", { run, op: "pop", name: "q" });
      expect((await call("message_queue", { run, op: "pop", name: "q" }, "next")).messages).toEqual(["b"]);
      await client.close();
    }
  });

  it("holds once: whoever hung up while it waited gets by its repeat what was granted, and nobody else's", async () => {
    for (const client of await opened()) {
      const { ask, call } = names(client);
      const { id: run } = await call("start_run", {});
      const acquire = (name: string) => ({ run, op: "acquire", name });
      const { actor: first } = await call("lock", acquire("till"), "first");
      const hangUp = new AbortController();
      const lost = ask("second", "lock", acquire("till"), { signal: hangUp.signal });
      await until("it waits", 10_000, async () => (await heddle.actors(run)).actors.length === 2);
      hangUp.abort("enough");
      await expect(lost).rejects.toThrow();
      await call("lock", { run, op: "release", name: "till", actor: first });
      const granted = await call("lock", acquire("till"), "second");
      expect(granted).toMatchObject({ token: 2 });
      expect(await call("lock", acquire("till"), "second")).toEqual(granted);
      expect((await call("lock", acquire("door"), "second")).token).toBe(1);
      expect((await heddle.actors(run)).actors).toHaveLength(3);
      await client.close();
    }
  });

  it("has a name that can be read", async () => {
    const client = await connect();
    const { ask } = names(client);
    for (const key of [7, "", "two words", "k".repeat(256)])
      await expect(ask(key, "list_runs", {})).rejects.toThrow("1 to 255 printable ASCII characters");
    await client.close();
  });
});

/** A client of durable tasks; with `answer` one that asks its user, who fills in the forms so. */
async function durable(answer?: (params: Form) => object) {
  const extensions = { "io.modelcontextprotocol/tasks": {} };
  const clientCapabilities = { extensions, ...(answer && { elicitation: { form: {} } }) };
  const client = await connect("", clientCapabilities);
  const clientInfo = { name: "e2e", version: "1" };
  const framing = { protocolVersion: "2026-07-28", clientInfo, clientCapabilities };
  let sent = 0;
  const methods: string[] = [];
  const session = createTaskSessionFromClient(client, {
    endpointId: server.url,
    v2RequestFraming: framing,
    ...(answer && { onInputRequest: async ({ params }) => answer(params as unknown as Form) as never }),
    rawDispatch: async (asked) => {
      const { method, params } = asked as { method: string; params: { name?: string; taskId?: string } };
      methods.push(method);
      const response = await fetch(address(), {
        method: "POST",
        body: JSON.stringify({ ...(asked as object), jsonrpc: "2.0", id: ++sent }),
        headers: {
          ...headers,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": framing.protocolVersion,
          "mcp-method": method,
          "mcp-name": params.name ?? params.taskId ?? "",
        },
      });
      const text = await response.text();
      const message = JSON.parse(
        text
          .split("\n")
          .find((line) => line.startsWith("data: "))
          ?.slice(6) ?? text,
      );
      return message.error ? { kind: "error", error: message.error } : { kind: "result", result: message.result };
    },
  });
  const { id: run } = structured((await client.callTool({ name: "start_run", arguments: {} })) as Result) as {
    id: string;
  };
  const close = async () => {
    await session.close();
    await client.close();
  };
  return { session, run, methods, close };
}

interface Form {
  readonly message: string;
  readonly requestedSchema: {
    readonly properties: {
      readonly what?: { readonly oneOf: readonly { readonly const: string; readonly title: string }[] };
    };
  };
}

it.concurrent("durable tasks, by the official client of the extension", async () => {
  const { session, run, methods, close } = await durable();
  await heddle.createTasks(run, {
    tasks: [{ key: "slow", instructions: plays([{ latency_ms: 3000, text: "done" }]) }],
  });
  const execution = await session.callTool("wait", { run });
  const { outcome } = await execution.settle();
  expect(resultFromTaskOutcome(outcome)).toMatchObject({ structuredContent: { done: true, counts: { succeeded: 1 } } });
  expect(methods[0]).toBe("tools/call");
  expect(methods).toContain("tasks/get");
  await close();
});

it.concurrent("a task asks a person, through the official client of the extension, and goes on with what they say", async () => {
  const forms: Form[] = [];
  const { session, run, methods, close } = await durable((form) => {
    forms.push(form);
    return forms.length === 1 ? { action: "accept", content: { answer: "ship it" } } : { action: "decline" };
  });
  const asks = (name: string, ask: string, text: string) =>
    plays([{ calls: [{ tool: "future", arguments: { op: "await", name, ask } }] }, { text }]);
  await heddle.createTasks(run, {
    tasks: [
      { key: "deploy", instructions: asks("go", "Ship version 7?", "told: {{1.0.value}}") },
      {
        key: "clean",
        after: ["deploy"],
        instructions: asks("clean", "Delete the old one?", "told: {{1.0.error.code}}"),
      },
    ],
  });
  const execution = await session.callTool("await_tasks", { run, tasks: ["clean", "deploy"] });
  const { outcome } = await execution.settle();
  expect(resultFromTaskOutcome(outcome)).toMatchObject({
    structuredContent: {
      tasks: [
        { key: "clean", state: "succeeded", result: "told: declined" },
        { key: "deploy", state: "succeeded", result: "told: ship it" },
      ],
    },
  });
  expect(forms.map(({ message }) => message)).toEqual([
    expect.stringContaining("> Ship version 7?"),
    expect.stringContaining("> Delete the old one?"),
  ]);
  expect(methods.filter((method) => method === "tasks/update")).toHaveLength(2);
  await close();
});

it.concurrent("a run that stands still is put to a person, who sends what is missing", async () => {
  const forms: Form[] = [];
  const { session, run, close } = await durable((form) => {
    forms.push(form);
    const push = form.requestedSchema.properties.what!.oneOf.find(({ title }) => title.startsWith("Push"))!;
    return { action: "accept", content: { what: push.const, answer: '{"part": 1}' } };
  });
  const pops = plays([
    { calls: [{ tool: "message_queue", arguments: { op: "pop", name: "parts" } }] },
    { text: "{{1.0.messages}}" },
  ]);
  await heddle.createTasks(run, { tasks: [{ key: "build", instructions: pops }] });
  const execution = await session.callTool("wait", { run });
  const { outcome } = await execution.settle();
  expect(resultFromTaskOutcome(outcome)).toMatchObject({ structuredContent: { done: true, counts: { succeeded: 1 } } });
  expect(forms.map(({ message }) => message)).toEqual([expect.stringContaining("stands still: 1 task waits")]);
  expect((await heddle.task(run, "build")).result).toBe('[{"part":1}]');
  await close();
});

/** Scenarios of tools, resources and prompts of the suite's own, and of what this server does not declare. */
const notOurs = [
  ...["logging-set-level", "completion-complete", "tools-call-simple-text", "tools-call-image", "tools-call-audio"],
  ...["tools-call-embedded-resource", "tools-call-mixed-content", "tools-call-with-logging", "tools-call-error"],
  ...["tools-call-with-progress", "tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults"],
  ...["elicitation-sep1330-enums", "resources-read-text", "resources-read-binary", "resources-templates-read"],
  ...["resources-subscribe", "resources-unsubscribe", "prompts-get-simple", "prompts-get-with-args"],
  ...["prompts-get-embedded-resource", "prompts-get-with-image"],
];

it.concurrent("the official conformance suite passes, but for scenarios that ask for what is not declared", async () => {
  // The suite brings no key along: this passes its requests on with one, as they are.
  const { hostname, port, host } = address();
  const own = /^(localhost|127\.0\.0\.1|\[::1\])(:|$)/;
  const proxy = createServer((asked, answer) => {
    const given = { ...asked.headers, ...headers, ...(own.test(asked.headers.host ?? "") && { host }) };
    const up = request({ hostname, port, path: asked.url, method: asked.method, headers: given }, (came) => {
      answer.writeHead(came.statusCode!, came.headers);
      came.pipe(answer);
    });
    up.on("error", () => answer.destroy());
    asked.pipe(up);
  });
  await new Promise<void>((ready) => proxy.listen(0, "127.0.0.1", ready));
  const folder = mkdtempSync(join(tmpdir(), "heddle-conformance-"));
  try {
    const baseline = join(folder, "baseline.yml");
    writeFileSync(baseline, `server:\n${notOurs.map((name) => `  - ${name}\n`).join("")}`);
    const suite = join(
      dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json")),
      "dist/index.js",
    );
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mcp`;
    const args = [suite, "server", "--url", url, "--expected-failures", baseline];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    const passed = Array.from(stdout.matchAll(/✓ ([\w-]+):/g), ([, name]) => name);
    expect(passed).toEqual(
      expect.arrayContaining([
        ...["server-initialize", "ping", "tools-list", "resources-list", "prompts-list"],
        ...["server-sse-multiple-streams", "dns-rebinding-protection"],
      ]),
    );
  } finally {
    proxy.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
