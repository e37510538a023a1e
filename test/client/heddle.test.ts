/** The client against a server that does what servers rarely do: 503, a cut line, a stream that breaks off. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import type * as z from "zod";
import {
  type Answered,
  type AnswerInput,
  type ContextSpec,
  type EventView,
  Heddle,
  HeddleProblem,
  HeddleUnreachable,
  isPartial,
  isProblem,
  type JsonSchemaTool,
  type McpTool,
  type QuestionsPage,
  type RunSpec,
  type TaskSpec,
} from "../../src/client/index.ts";
import type { quotasBody, scopes } from "../../src/contract/admin-requests.ts";
import type { answerBody } from "../../src/contract/question-requests.ts";
import type { answeredView, questionsPage } from "../../src/contract/question-responses.ts";
import type { createRunBody } from "../../src/contract/run-requests.ts";
import type { taskSpecSchema } from "../../src/contract/task-spec.ts";
import type { Quotas, Scope } from "../../src/contract/tenant-shapes.ts";
import { type Answer, problem, TestServer } from "../cli/lib/contract-server.ts";

const server = new TestServer(() => ({ status: 200 }));
let client: Heddle;
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
  client = new Heddle({ url: `${server.url}/`, key: "hdl_k" });
});

/** Answers one after another, the last one for ever. */
function answering(...answers: (Answer | undefined)[]): void {
  server.handler = () => (answers.length > 1 ? answers.shift() : answers[0]);
}
const ok: Answer = { status: 200, body: { id: "run_1" } };
const busy: Answer = { ...problem(503, "overloaded", { retryable: true }), headers: { "retry-after": "0" } };

describe("repeats", () => {
  it("a POST after no answer and after 503, with one Idempotency-Key", async () => {
    answering(undefined, busy, ok);
    expect(await client.createRun({ name: "n" })).toEqual({ id: "run_1" });
    const keys = server.calls.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(server.calls.map(({ body }) => body)).toEqual([{ name: "n" }, { name: "n" }, { name: "n" }]);
  });

  it("with another key for another call, and the caller's own where given", async () => {
    answering(ok);
    await client.createRun({});
    await client.createRun({});
    await client.createRun({}, { idempotencyKey: "mine" });
    const keys = server.calls.map(({ headers }) => headers["idempotency-key"]);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe("mine");
  });

  it("not what is refused for good", async () => {
    answering(problem(422, "validation_failed", { errors: [{ path: "tasks[0].key", message: "bad" }] }));
    const error = await client.createTasks("run_1", { tasks: [] }).catch((caught) => caught);
    expect(error).toBeInstanceOf(HeddleProblem);
    expect(error).toMatchObject({
      status: 422,
      code: "validation_failed",
      hint: "hint of validation_failed",
      errors: [{ path: "tasks[0].key" }],
    });
    expect(isProblem(error, "validation_failed")).toBe(true);
    expect(server.calls).toHaveLength(1);
  });

  it("no longer than it may, and then throws the last refusal", async () => {
    answering({ ...busy, headers: { "retry-after": "60" } });
    const error = await client.run("r", { retryMs: 500 }).catch((caught) => caught);
    expect(isProblem(error, "overloaded")).toBe(true);
    expect(server.calls).toHaveLength(1);
  });

  it("a refused creation with its own key, later each time, even where the server says at once", async () => {
    answering(busy, busy, busy, ok);
    const before = Date.now();
    await client.createTasks("run_1", { tasks: [] });
    // Backoffs of at least 50, 100 and 200 ms, though `retry-after` is 0.
    expect(Date.now() - before).toBeGreaterThanOrEqual(340);
    expect(new Set(server.calls.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    expect(server.calls).toHaveLength(4);
  });

  it("waits as long as retry-after says", async () => {
    answering({ ...busy, headers: { "retry-after": "1" } }, ok);
    const before = Date.now();
    await client.run("r");
    expect(Date.now() - before).toBeGreaterThanOrEqual(990);
  });
});

describe("errors", () => {
  it("name the reason why nothing answers", async () => {
    const error = await new Heddle({ url: "http://127.0.0.1:1", retryMs: 0 }).health().catch((caught) => caught);
    expect(error).toBeInstanceOf(HeddleUnreachable);
    expect(error.message).toMatch(/can't be reached: (?!fetch failed)./);
  });

  it.each([
    ["localhost:8787", 'url is "localhost:8787"; it must begin with http:// or https://.'],
    ["heddle", 'url is "heddle", which is no address. Example: "http://127.0.0.1:8787"'],
    ["", 'url is "", which is no address.'],
    ["ftp://127.0.0.1", "must begin with http:// or https://"],
  ])("say at once that %j is no address", (url, message) => {
    expect(() => new Heddle({ url })).toThrow(TypeError);
    expect(() => new Heddle({ url })).toThrow(message);
  });

  it.each(["http://127.0.0.1:8787/dashboard#/runs/r", "http://127.0.0.1:8787/?a=b"])(
    "say at once that %j is more than an address",
    (url) => {
      expect(() => new Heddle({ url })).toThrow('url has a "?" or "#" in it: give the address of the server alone.');
    },
  );

  it("say what is missing where nothing is given, as JavaScript and a variable that is not set may have it", () => {
    const Untyped = Heddle as new (options?: object) => Heddle;
    for (const options of [[], [{}], [{ url: undefined, key: "hdl_k" }]])
      expect(() => new Untyped(...(options as [object?]))).toThrow("there is no url: new Heddle({ url: ");
  });

  it("take an address with white space around it, as a file of variables may leave it", () => {
    expect(new Heddle({ url: " http://127.0.0.1:8787/ \r\n" }).url).toBe("http://127.0.0.1:8787");
  });

  it.each(["", " "])("say at once that %j is no key", (key) => {
    expect(() => new Heddle({ url: server.url, key })).toThrow(
      "key is empty; is the variable that it comes from not set?",
    );
  });

  it("take an address without a host in a page, which has one", async () => {
    vi.stubGlobal("location", { href: `${server.url}/dashboard` });
    try {
      const asked: unknown[] = [];
      const own: typeof fetch = async (url) => {
        asked.push(url);
        return Response.json({ id: "r" });
      };
      await new Heddle({ url: "/api", fetch: own }).run("r");
      expect(asked).toEqual(["/api/v1/runs/r"]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it.each([
    { url: "http://me:s3cret@127.0.0.1" },
    { url: "http://127.0.0.1/?key=s3cret" },
    { url: "http://127.0.0.1", key: "hdl_s3cret\nx" },
    { url: "http://127.0.0.1", key: "hdl_s3cret…" },
  ])("say at once that nothing can be sent with %o, and don't repeat what is secret", (options) => {
    expect(() => new Heddle(options)).toThrow(TypeError);
    expect(() => new Heddle(options)).not.toThrow("s3cret");
  });

  it("are thrown at once for an Idempotency-Key that no header can carry, and nothing is sent", async () => {
    await expect(client.createRun({}, { idempotencyKey: "a\nb" })).rejects.toThrow(TypeError);
    expect(server.calls).toEqual([]);
  });

  describe("without an answer", () => {
    /** What Node's fetch throws, `count` times; then the server is asked. */
    const failing = (code: string, count: number) => {
      let calls = 0;
      const own: typeof fetch = (url, init) => {
        if (++calls > count) return fetch(url, init);
        return Promise.reject(
          new TypeError("fetch failed", { cause: Object.assign(new Error(`it was ${code}`), { code }) }),
        );
      };
      return { client: new Heddle({ url: server.url, key: "hdl_k", fetch: own }), calls: () => calls };
    };

    it.each([
      ["ENOTFOUND", "there is no host of that name (ENOTFOUND)"],
      ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate is not trusted"],
      ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is not trusted"],
      ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate is not trusted"],
      ["CERT_HAS_EXPIRED", "its certificate is not trusted"],
      ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is not trusted"],
      ["ERR_SSL_WRONG_VERSION_NUMBER", "does not speak TLS"],
    ])("end at once for %s", async (code, message) => {
      const { client, calls } = failing(code, Number.POSITIVE_INFINITY);
      const error = await client.run("r").catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(HeddleUnreachable);
      expect((error as Error).message).toContain(message);
      expect(calls()).toBe(1);
    });

    it.each(["ECONNREFUSED", "ECONNRESET", "UND_ERR_SOCKET", "EAI_AGAIN", "ETIMEDOUT"])(
      "repeat after %s",
      async (code) => {
        answering(ok);
        const { client, calls } = failing(code, 2);
        expect(await client.run("r")).toEqual({ id: "run_1" });
        expect(calls()).toBe(3);
      },
    );

    it("repeat where the platform does not say why", async () => {
      answering(ok);
      let calls = 0;
      const own: typeof fetch = (url, init) =>
        ++calls === 1 ? Promise.reject(new TypeError("Failed to fetch")) : fetch(url, init);
      expect(await new Heddle({ url: server.url, fetch: own }).run("r")).toEqual({ id: "run_1" });
      expect(calls).toBe(2);
    });

    it("repeat where the host was known before: that is the network", async () => {
      answering(ok);
      let isAway = false;
      let calls = 0;
      const own: typeof fetch = (url, init) => {
        calls++;
        if (!isAway) return fetch(url, init);
        isAway = false;
        return Promise.reject(
          new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ENOTFOUND" }) }),
        );
      };
      const client = new Heddle({ url: server.url, fetch: own });
      await client.run("r");
      isAway = true;
      expect(await client.run("r")).toEqual({ id: "run_1" });
      expect(calls).toBe(3);
    });

    it("end at once for a port that no fetch goes to", async () => {
      const error = await new Heddle({ url: "http://127.0.0.1:22" }).run("r").catch((caught: unknown) => caught);
      expect((error as Error).message).toBe("http://127.0.0.1:22 can't be reached: no fetch goes to this port");
    });
  });

  it("say so when something else than Heddle answers", async () => {
    answering({ status: 200, body: "<html>hello</html>" });
    const error = await client.run("r", { retryMs: 0 }).catch((caught) => caught);
    expect(error).toMatchObject({ code: "not_heddle" });
    expect(error.message).toMatch(/<html>/);
  });

  it("of a proxy whose server is away are waited out", async () => {
    answering({ status: 500, body: "Error: Network connection lost." }, { status: 200, body: { id: "r" } });
    expect(await client.run("r")).toEqual({ id: "r" });
  });

  it("are the abort's own reason, at once", async () => {
    server.handler = () => new Promise(() => {});
    const reason = new Error("enough");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 50);
    await expect(client.wait("r", {}, { signal: abort.signal })).rejects.toBe(reason);
  });
});

describe("calls", () => {
  it("send the key, but not where the lease is the authority", async () => {
    answering({ status: 200, body: {} });
    await client.run("a/b");
    await client.renewLease("lse_1");
    expect(server.calls.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ["/v1/runs/a%2Fb", "Bearer hdl_k"],
      ["/v1/leases/lse_1/renew", undefined],
    ]);
  });

  it("waitFor polls until it is done", async () => {
    answering({ status: 200, body: { done: false } }, { status: 200, body: { done: true, tasks: [] } });
    expect(await client.waitFor("r", { mode: "any", tasks: ["a"] })).toEqual({ done: true, tasks: [] });
    expect(server.calls.map(({ body }) => body)).toEqual([
      { mode: "any", tasks: ["a"], timeout_ms: 60_000 },
      { mode: "any", tasks: ["a"], timeout_ms: 60_000 },
    ]);
  });

  it("tasks goes through all pages", async () => {
    answering(
      { status: 200, body: { tasks: [{ id: "T1" }], next_cursor: "c" } },
      { status: 200, body: { tasks: [{ id: "T2" }], next_cursor: null } },
    );
    const ids: string[] = [];
    for await (const task of client.tasks("r", { state: "failed" })) ids.push(task.id);
    expect(ids).toEqual(["T1", "T2"]);
    expect(server.calls.map(({ path }) => path)).toEqual([
      "/v1/runs/r/tasks?state=failed",
      "/v1/runs/r/tasks?state=failed&cursor=c",
    ]);
  });
});

describe("names", () => {
  it('of "." and ".." are found nowhere, since a URL takes them for another path', async () => {
    answering(ok);
    for (const call of [
      () => client.cancelTask("run_1", ".."),
      () => client.run("."),
      () => client.deleteRun(".."),
      () => client.variable("run_1", ".."),
    ]) {
      await expect(call()).rejects.toMatchObject({ status: 404, code: "not_found" });
    }
    expect(server.calls).toEqual([]);
    await client.task("run_1", "...");
    expect(server.calls).toHaveLength(1);
  });
});

it("has the tools in four formats, each with its type", async () => {
  server.handler = ({ path }) => ({ status: 200, body: { tools: [{ name: path }] } });
  const mcp = await client.toolDefinitions("mcp");
  expectTypeOf(mcp).toEqualTypeOf<McpTool[]>();
  const plain = await client.toolDefinitions("json-schema");
  expectTypeOf(plain).toEqualTypeOf<JsonSchemaTool[]>();
  expect([mcp, plain]).toEqual([[{ name: "/v1/tools?format=mcp" }], [{ name: "/v1/tools?format=json-schema" }]]);
});

it("hands contexts on as the text that they are, and problems as problems", async () => {
  const text = '{"messages":  [{"n": 1.0}]}';
  answering({ status: 200, body: text });
  expect(await client.taskContextText("run_1", "a")).toBe(text);
  expect(await client.snapshotText("run_1", "5")).toBe(text);
  answering(problem(404, "not_found"));
  await expect(client.taskContextText("run_1", "a")).rejects.toMatchObject({ code: "not_found" });
});

describe("followEvents, by the stream of events", () => {
  const sse = { transport: "sse" } as const;
  const frame = (seq: number) =>
    `id: ${seq}\nevent: e\ndata: ${JSON.stringify({ seq, at: 1, type: "e", causes: [], text: "é" })}\n\n`;
  const stream = (text: string): Answer => ({
    status: 200,
    body: text,
    headers: { "content-type": "text/event-stream" },
  });

  it("gives each event once and in order over a stream that ends early, repeats itself and breaks off in a frame", async () => {
    const streams = [
      stream(`retry: 1000\n\n${frame(1)}: live\n\n${frame(2)}`),
      stream(`${frame(2)}${frame(3)}id: 4\ndata: {"seq"`),
      stream(`${frame(4)}event: end\ndata: {"last_seq":4}\n\n`),
    ];
    server.handler = ({ path }) =>
      path.includes("/events") ? streams.shift()! : { status: 200, body: { ended_at: null, last_seq: 4 } };
    const seqs: number[] = [];
    for await (const event of client.followEvents("r", {}, sse)) seqs.push(event.seq);
    expect(seqs).toEqual([1, 2, 3, 4]);
    const asked = server.of("GET", /events/).map(({ path, headers }) => [path, headers["last-event-id"]]);
    expect(asked).toEqual([
      ["/v1/runs/r/events?after=0", "0"],
      ["/v1/runs/r/events?after=2", "2"],
      ["/v1/runs/r/events?after=3", "3"],
    ]);
  });

  it("gives partial texts as their own kind, and only when asked for", async () => {
    const partial = { task: "T1-aaaaaa", turn: 1, offset: 0, text: "so f" };
    const frames = `${frame(1)}event: partial\ndata: ${JSON.stringify(partial)}\n\n${frame(2)}event: end\ndata: {}\n\n`;
    server.handler = () => stream(frames);
    const seen: unknown[] = [];
    for await (const event of client.followEvents("r", { partial: true }, sse))
      seen.push(isPartial(event) ? event.text : event.seq);
    expect(seen).toEqual([1, "so f", 2]);
    for await (const event of client.followEvents("r", {}, sse)) expectTypeOf(event).toEqualTypeOf<EventView>();
    const asked = server.of("GET", /events/).map(({ path }) => path);
    expect(asked).toEqual(["/v1/runs/r/events?after=0&partial=true", "/v1/runs/r/events?after=0"]);
  });

  it("throws a problem that the stream tells", async () => {
    const body = JSON.stringify({ code: "not_found", title: "There is no such thing here", status: 404 });
    server.handler = () => stream(`event: problem\ndata: ${body}\n\n`);
    const events = client.followEvents("r", {}, sse);
    await expect(events.next()).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("followEvents, by a WebSocket", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("comes again when its time is over, after the last event that it had", async () => {
    const events = (...seqs: number[]) => ({ events: seqs.map((seq) => ({ seq, at: 1, type: "e", causes: [] })) });
    const lines = [
      [events(1, 2), { again: { after: 2 } }],
      [events(3), { end: { last_seq: 3 } }],
    ];
    const asked: string[] = [];
    class Scripted extends EventTarget {
      constructor(url: string) {
        super();
        asked.push(new URL(url).search);
        const frames = lines.shift()!;
        setTimeout(() => {
          this.dispatchEvent(new Event("open"));
          for (const frame of frames) this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
        });
      }
      send(): void {}
      close(): void {}
    }
    vi.stubGlobal("WebSocket", Scripted);
    const seqs: number[] = [];
    for await (const event of client.followEvents("r", {}, { transport: "websocket" })) seqs.push(event.seq);
    expect([seqs, asked]).toEqual([
      [1, 2, 3],
      ["?after=0", "?after=2"],
    ]);
  });
});

it("knows the contract's requests: what it can send, the server's schemas take", () => {
  expectTypeOf<TaskSpec>().toExtend<z.input<typeof taskSpecSchema>>();
  // Tools are the vendors' own types: what is in them is the server's to check.
  type Wire = Omit<RunSpec, "context"> & {
    context?: Omit<ContextSpec, "tools"> & { tools?: Record<string, unknown>[] };
  };
  expectTypeOf<Wire>().toExtend<z.input<typeof createRunBody>>();
  type KnownFields = Exclude<keyof z.input<typeof taskSpecSchema>, keyof TaskSpec>;
  expectTypeOf<KnownFields>().toBeNever();
  expectTypeOf<Quotas>().toEqualTypeOf<z.output<typeof quotasBody>>();
  expectTypeOf<AnswerInput>().toExtend<z.input<typeof answerBody>>();
  expectTypeOf<z.output<typeof answerBody>>().toExtend<AnswerInput>();
  expectTypeOf<QuestionsPage>().toExtend<z.output<typeof questionsPage>>();
  expectTypeOf<z.output<typeof questionsPage>>().toExtend<QuestionsPage>();
  expectTypeOf<Answered>().toEqualTypeOf<z.output<typeof answeredView>>();
  expectTypeOf<Scope>().toEqualTypeOf<(typeof scopes)[number]>();
});
