/**
 * A server that speaks as much of the contract (DESIGN §4) as `heddle work` and `heddle tools` need, and can do at will what the real one does
 * at no set moment: lose a lease, go away in the middle of a call, answer 503. Where the real server can be made to do a
 * thing, the end-to-end tests use it instead.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { failBody } from "../../../src/contract/lease-requests.ts";

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes
  readonly body: any;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** Undefined: the connection is cut without an answer. */
type Handler = (call: Call) => Answer | undefined | Promise<Answer | undefined>;

export const problem = (status: number, code: string, more: object = {}): Answer => ({
  status,
  body: {
    type: "about:blank",
    title: code,
    status,
    code,
    hint: `hint of ${code}`,
    instance: "i",
    retryable: false,
    ...more,
  },
});

/** An HTTP server that records what it is asked and answers with `handler`; stops and comes back on the same port. */
export class TestServer {
  readonly calls: Call[] = [];
  handler: Handler;
  #server: Server | undefined;
  #port = 0;

  constructor(handler: Handler) {
    this.handler = handler;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Cuts every connection, as a killed process would. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  }

  of(method: string, pattern: RegExp): Call[] {
    return this.calls.filter((call) => call.method === method && pattern.test(call.path));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += part;
    const call = {
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.calls.push(call);
    const answer = await this.handler(call);
    if (answer === undefined) return void request.socket.destroy();
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body ?? {}));
  }
}

interface PoolTask {
  readonly id: string;
  readonly instructions: string;
  readonly messages: readonly object[];
  /** More of the task, as the lease has it. */
  readonly more: object;
}

interface LeaseBody {
  readonly max?: number;
  readonly wait_ms?: number;
  readonly kinds?: readonly string[];
  readonly tools?: readonly string[];
}

interface PoolCall {
  readonly id: string;
  readonly tool: string;
  readonly arguments: object;
  readonly attempt: number;
  readonly timeoutMs: number;
}

/** One pool with its tasks, and the tool calls that wait for its workers, as the pull protocol shows them. */
export class PoolServer extends TestServer {
  readonly queue: PoolTask[] = [];
  readonly callQueue: PoolCall[] = [];
  readonly lost = new Set<string>();
  readonly blocked = new Set<string>();
  /** What was delivered, by task: each outcome that the server took as new. */
  readonly outcomes: {
    /** A task's id, or a tool call's. */
    task: string;
    result?: unknown;
    is_error?: boolean;
    error?: { code: string; message: string };
    retryable?: boolean;
    usage?: unknown;
  }[] = [];
  /** Lease requests that wait at this moment. */
  openPolls = 0;
  #answers = new Map<string, Answer>();
  /** Tools of the calls that were leased, by the call's id. */
  #called = new Map<string, string>();
  #waiting: (() => void)[] = [];

  constructor() {
    super((call) => this.#handle(call));
  }

  add(id: string, instructions = "do", messages: readonly object[] = [], more: object = {}): void {
    this.queue.push({ id, instructions, messages, more });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** A call of a tool. */
  addCall(id: string, tool: string, args: object = {}, { attempt = 1, timeoutMs = 300_000 } = {}): void {
    this.callQueue.push({ id, tool, arguments: args, attempt, timeoutMs });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** What the worker reported of calls, with renewals. */
  get progress(): unknown[] {
    return this.of("POST", /renew/).flatMap(({ body }) => (body?.progress ? [body.progress] : []));
  }

  async #handle(call: Call): Promise<Answer | undefined> {
    if (call.path === "/health") return { status: 200, body: { status: "ready" } };
    const key = call.headers["idempotency-key"] as string | undefined;
    const before = key === undefined ? undefined : this.#answers.get(key);
    if (before) return before;
    const answer = await this.#fresh(call);
    if (key !== undefined && answer.status === 200) this.#answers.set(key, answer);
    return answer;
  }

  async #fresh({ method, path, body }: Call): Promise<Answer> {
    const [, , kind, id = "", action, leaseTool] = path.split("/");
    if (kind === "pools") return { status: 200, body: { leases: await this.#lease(body) } };
    if (kind === "runs" && method === "GET") {
      const task = path.split("/").at(-1)!;
      return {
        status: 200,
        body: { id: task, state: "running", waiting_on: this.blocked.has(task) ? { tasks: ["x"] } : null },
      };
    }
    const task = decodeURIComponent(id).replace(/^lease-/, "");
    if (this.lost.has(task)) return problem(409, "lease_lost");
    if (action === "renew") return { status: 200, body: { expires_at: Date.now() + 30_000 } };
    if (action === "tools") return { status: 200, body: { result: { tool: leaseTool, given: body.arguments } } };
    if (action === "fail" && !failBody.safeParse(body).success) return problem(422, "validation_failed");
    this.outcomes.push({
      task,
      ...(action === "complete" ? { result: body.result } : { error: body.error, retryable: body.retryable }),
      ...(body.is_error !== undefined && { is_error: body.is_error }),
      ...(body.usage !== undefined && { usage: body.usage }),
    });
    if (action === "fail") return { status: 200, body: { state: "failed", error: body.error } };
    // The next call of the same tool, or the next task.
    const tool = this.#called.get(task);
    const [next] = body.next ? this.#given(1, [tool ? "tool_call" : "task"], tool ? [tool] : undefined) : [];
    return { status: 200, body: next ? { lease: next } : {} };
  }

  async #lease({ max = 1, wait_ms: waitMs = 0, kinds = ["task"], tools }: LeaseBody): Promise<unknown[]> {
    const given = this.#given(max, kinds, tools);
    if (given.length > 0 || max === 0 || waitMs === 0) return given;
    this.openPolls++;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.openPolls--;
    return this.#given(max, kinds, tools);
  }

  #given(max: number, kinds: readonly string[], tools: readonly string[] | undefined): unknown[] {
    if (!kinds.includes("tool_call")) return this.#tasks(max);
    const wanted = this.callQueue.filter(({ tool }) => !tools || tools.includes(tool)).slice(0, max);
    for (const call of wanted) {
      this.callQueue.splice(this.callQueue.indexOf(call), 1);
      this.#called.set(call.id, call.tool);
    }
    return wanted.map(({ id, tool, arguments: args, attempt, timeoutMs }) => ({
      id: `lease-${id}`,
      expires_at: Date.now() + 30_000,
      tool_call: {
        id,
        tool,
        arguments: args,
        idempotency_key: `key-${id}`,
        attempt,
        timeout_at: Date.now() + timeoutMs,
        run: "run_1",
        task: { id: "T1", key: "caller", title: null },
      },
    }));
  }

  #tasks(max: number): unknown[] {
    return this.queue.splice(0, max).map(({ id, instructions, messages, more }) => ({
      id: `lease-${id}`,
      expires_at: Date.now() + 30_000,
      run: "run_1",
      snapshot: "s",
      task: {
        ...{ id, key: id, title: null, instructions, generation: 1, attempt: 1, parent: null },
        ...{ fork: { snapshot: "s", mode: "full" }, ...more },
      },
      ...(messages.length > 0 && { messages }),
      context: { format: "anthropic", messages: [{ role: "user", content: "héllo" }] },
    }));
  }
}

const usage = { input_tokens: 120, output_tokens: 30, cache_read_tokens: 100, cache_write_tokens: 0 };

/** A task as the API shows it. */
export const taskView = (n: number, more: object = {}) => ({
  ...{ id: `T${n}-abcdef`, key: `task${n}`, title: null, state: "succeeded", priority: 5, effective_priority: 5 },
  ...{ pool: "hosted", parent: null, depth: 1, generation: 1, attempts: 1, turns: 1, after: [], labels: {} },
  ...{ result: `result ${n}`, error: null, usage, waiting_on: null, children_failed: 0 },
  timings: { created_at: 1000, ready_at: 1000, started_at: 2000, ended_at: 3500 },
  fork: { snapshot: "s", mode: "full" },
  ...more,
});

/** One run with its tasks, log, findings and variables, for the commands that look at it and steer it. */
export class RunServer extends TestServer {
  readonly run = {
    ...{
      id: "run_1",
      name: "kettles",
      status: "active",
      reason: null as string | null,
      idle: false,
      snapshot: "5".repeat(32),
    },
    ...{
      format: "anthropic",
      root: null,
      findings: 1,
      questions: 0,
      last_seq: 3,
      created_at: 1000,
      ended_at: null as number | null,
    },
    expires_at: null as number | null,
    counts: { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 2, failed: 1, cancelled: 0, skipped: 0 },
    seats: { open: 1, target: 2, most: 4, bound_by: "limits" },
    quota: null,
    limits: { workers: 16, tokens: null as number | null },
    usage: { ...usage, tokens: 150 },
    cost: 0.25 as number | null,
    cache: { hit_ratio: 0.5 },
  };
  tasks: { id: string; key: string; state: string }[] = [taskView(1), taskView(2), taskView(3, { state: "failed" })];
  events: { seq: number; type: string; [field: string]: unknown }[] = [];
  findings: object[] = [];
  questions: { id: string }[] = [];
  variables: { name: string }[] = [];
  /** The text of every context. */
  context = '{"format": "anthropic", "messages": []}';
  /** Events of one stream; then it is cut, as a proxy does. */
  eventsPerStream = Number.POSITIVE_INFINITY;

  constructor() {
    super((call) => this.#handle(call));
  }

  #handle(call: Call): Answer {
    const url = new URL(call.path, "http://server");
    const [, , kind, id, what, name, action] = url.pathname.split("/");
    if (url.pathname === "/health") return { status: 200, body: { status: "ready" } };
    if (kind !== "runs") return problem(404, "not_found");
    if (id === undefined) return { status: 200, body: { runs: [this.run], next_cursor: null } };
    if (id !== this.run.id) return problem(404, "not_found", { detail: "there is no such run" });
    if (call.method === "DELETE") return { status: 204, body: "" };
    switch (what) {
      case undefined:
        return { status: 200, body: this.run };
      case "tasks":
        return name === undefined ? this.#page("tasks", this.#ofState(url), url) : this.#task(name, action);
      case "events":
        return this.#log(call, url);
      case "findings":
        return this.#page("findings", this.findings, url);
      case "variables":
        return name === undefined
          ? this.#page("variables", this.variables, url)
          : this.#one(this.variables.find((one) => one.name === decodeURIComponent(name)));
      case "questions": {
        if (name === undefined) return this.#page("questions", this.questions, url);
        const asked = this.questions.find((one) => one.id === decodeURIComponent(name));
        if (!asked) return problem(409, "question_closed");
        return { status: 200, body: { id: asked.id, action: call.body.action, open: call.body.action === "extend" } };
      }
      case "snapshots":
        return { status: 200, body: this.context };
      case "wait":
        return this.#wait(call);
      default:
        return {
          status: 200,
          body: {
            ...this.run,
            status: { pause: "paused", cancel: "cancelled", finish: "succeeded" }[what] ?? "active",
          },
        };
    }
  }

  #task(name: string, action: string | undefined): Answer {
    const task = this.tasks.find(({ id, key }) => id === name || key === name);
    if (action === "context" && task) return { status: 200, body: this.context };
    const change =
      action === "cancel" ? { state: "cancelled" } : action === "retry" ? { state: "ready", generation: 2 } : {};
    return this.#one(task && { ...task, ...change });
  }

  #one(found: object | undefined): Answer {
    return found ? { status: 200, body: found } : problem(404, "not_found", { detail: "there is no such thing" });
  }

  #ofState(url: URL) {
    const state = url.searchParams.get("state");
    return this.tasks.filter((task) => state === null || task.state === state);
  }

  /** Two rows a page, so that whoever lists has to read on. */
  #page(name: string, rows: readonly object[], url: URL): Answer {
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const next = from + 2 < rows.length ? String(from + 2) : null;
    return { status: 200, body: { [name]: rows.slice(from, from + 2), next_cursor: next } };
  }

  #log(call: Call, url: URL): Answer {
    const after = Number(url.searchParams.get("after"));
    const events = this.events.filter(({ seq }) => seq > after);
    if (!call.headers.accept?.includes("text/event-stream")) {
      const next = events.length > 2 ? String(events[1]!.seq) : null;
      return { status: 200, body: { events: events.slice(0, 2), next_cursor: next } };
    }
    const sent = events.slice(0, this.eventsPerStream);
    const frames = sent.map((event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    const end = sent.length === events.length ? 'event: end\ndata: {"last_seq": 0}\n\n' : "";
    return { status: 200, body: frames.join("") + end, headers: { "content-type": "text/event-stream" } };
  }

  #wait({ body }: Call): Answer {
    const names: string[] | undefined = body.tasks;
    if (names === undefined)
      return { status: 200, body: { done: true, counts: this.run.counts, failed: ["T3-abcdef"] } };
    const tasks = names.map((name) => this.tasks.find(({ id, key }) => id === name || key === name));
    if (tasks.includes(undefined)) return problem(422, "unknown_task");
    return { status: 200, body: { done: !tasks.some((task) => task!.state === "running"), tasks } };
  }
}
