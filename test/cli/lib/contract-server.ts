/**
 * A server that speaks as much of the contract (DESIGN §4) as `heddle work` needs, and can do at will what the real one does
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
  readonly messages: readonly object[];
}

/** One pool with its tasks, as the pull protocol shows them. */
export class PoolServer extends TestServer {
  readonly queue: PoolTask[] = [];
  readonly lost = new Set<string>();
  readonly blocked = new Set<string>();
  /** What was delivered, by task: each outcome that the server took as new. */
  readonly outcomes: {
    task: string;
    result?: unknown;
    error?: { code: string; message: string };
    retryable?: boolean;
  }[] = [];
  #answers = new Map<string, Answer>();
  #waiting: (() => void)[] = [];

  constructor() {
    super((call) => this.#handle(call));
  }

  add(id: string, instructions = "do", messages: readonly object[] = []): void {
    this.queue.push({ id, instructions, messages });
    for (const wake of this.#waiting.splice(0)) wake();
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
    const [, , kind, id = "", action, tool] = path.split("/");
    if (kind === "pools") return { status: 200, body: { leases: await this.#lease(body.max, body.wait_ms) } };
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
    if (action === "tools") return { status: 200, body: { result: { tool, given: body.arguments } } };
    this.outcomes.push({
      task,
      ...(action === "complete" ? { result: body.result } : { error: body.error, retryable: body.retryable }),
    });
    if (action === "fail") return { status: 200, body: { state: "failed", error: body.error } };
    const [next] = body.next ? await this.#lease(1, 0) : [];
    return { status: 200, body: next ? { lease: next } : {} };
  }

  async #lease(max: number, waitMs: number): Promise<unknown[]> {
    if (this.queue.length === 0 && waitMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.queue.splice(0, max).map(({ id, instructions, messages }) => ({
      id: `lease-${id}`,
      expires_at: Date.now() + 30_000,
      run: "run_1",
      snapshot: "s",
      task: { id, key: id, title: null, instructions, generation: 1, attempt: 1 },
      ...(messages.length > 0 && { messages }),
      context: { format: "anthropic", messages: [{ role: "user", content: "héllo" }] },
    }));
  }
}
