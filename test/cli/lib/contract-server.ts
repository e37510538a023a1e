/**
 * A server that speaks as much of the contract (DESIGN §4) as `heddle work` and `heddle tools` need, and can do at will what the real one does
 * at no set moment: lose a lease, go away in the middle of a call, answer 503. Where the real server can be made to do a
 * thing, the end-to-end tests use it instead.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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

  add(id: string, instructions = "do"): void {
    this.queue.push({ id, instructions });
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
    this.outcomes.push({
      task,
      ...(action === "complete" ? { result: body.result } : { error: body.error, retryable: body.retryable }),
      ...(body.is_error !== undefined && { is_error: body.is_error }),
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
    return this.queue.splice(0, max).map(({ id, instructions }) => ({
      id: `lease-${id}`,
      expires_at: Date.now() + 30_000,
      run: "run_1",
      snapshot: "s",
      task: { id, key: id, title: null, instructions, generation: 1, attempt: 1 },
      context: { format: "anthropic", messages: [{ role: "user", content: "héllo" }] },
    }));
  }
}
