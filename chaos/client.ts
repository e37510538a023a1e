/**
 * A client of the chaos run: it asks, is cut off, asks again with the same name, and writes down what it was told.
 *
 * Not the typed client, which repeats in silence: here every repeat, and every answer to one, is on record.
 */

import type { TaskView } from "../src/client/index.ts";
import { Random } from "../test/sim/random.ts";
import type { Act, Call, History, Op, Outcome } from "./history.ts";

const localKey = "hdl_local";
/** An attempt without an answer is given up after this, and what it may wait on purpose. */
const attemptMs = 20_000;
const pauseMs = { least: 50, most: 400 };

export interface Surroundings {
  readonly url: string;
  /** Another tenant's, or the operator's secret. */
  readonly key?: string;
  readonly seed: number;
  readonly history: History;
  /** Aborts when no new load is to be made. */
  readonly stopping: AbortSignal;
  /** Aborts when nothing is waited for any more. */
  readonly over: AbortSignal;
  /** Where runs tell what happens in them. */
  readonly webhook: string;
  /** Where their tool `stamp` is carried out. */
  readonly endpoint: string;
  /** How many calls in a hundred are cut off by their own client. */
  readonly cutShare: number;
  /** How many in a hundred are repeated although they were answered. */
  readonly againShare: number;
  /** Half of these repeats: they wait until the server has been down. */
  readonly later: (() => Promise<void>)[];
}

interface Request {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** In the body's place: lines of JSON. */
  readonly lines?: readonly string[];
  readonly waitMs?: number;
}

/** What one attempt came to. `away`: nobody knows. */
export type Reply =
  | { readonly kind: "ok"; readonly body: unknown }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "away" };

export class Client {
  readonly name: string;
  readonly random: Random;
  /** The snapshot at which its calls are made: a call's id is that of one snapshot. */
  base: string | undefined;
  readonly #around: Surroundings;
  #calls = 0;

  constructor(around: Surroundings, name: string, base?: string) {
    this.base = base;
    this.name = name;
    this.#around = around;
    this.random = new Random(around.seed + hashOf(name));
  }

  get webhook(): string {
    return this.#around.webhook;
  }
  get endpoint(): string {
    return this.#around.endpoint;
  }
  get history(): History {
    return this.#around.history;
  }
  get stopping(): boolean {
    return this.#around.stopping.aborted;
  }
  get over(): boolean {
    return this.#around.over.aborted;
  }
  get key(): string {
    return this.#around.key ?? localKey;
  }
  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.key}` };
  }
  get url(): string {
    return this.#around.url;
  }

  /** A name that nobody else has. */
  fresh(prefix: string): string {
    this.#calls++;
    return `${prefix}-${this.name}-${this.#calls}`;
  }

  /** Asks over HTTP, as `wish` says. `id` is sent as the Idempotency-Key unless the body names it (`named`). */
  ask(
    run: string,
    act: Act,
    request: Request,
    { id = this.fresh("k"), named = false, again = true, isPatient = true } = {},
  ): Promise<Outcome> {
    const attempt = (cutMs: number | undefined) => this.#once(request, named ? undefined : id, cutMs);
    return this.wish(run, act, attempt, { id, again: again && request.method === "POST", isPatient });
  }

  /**
   * Asks until there is an answer; the call is on record from before its first attempt.
   * `attempt`: asks once, and gives up after `cutMs`. `id`: what makes a repeat the same call. `again`: whether a repeat
   * gets the first answer, whenever it comes. `isPatient`: whether who is cut off asks again.
   * An answer `{pending}` is none: the call is asked again.
   */
  async wish(
    run: string,
    act: Act,
    attempt: (cutMs: number | undefined) => Promise<Reply>,
    { id, again, isPatient = true }: { readonly id: string; readonly again: boolean; readonly isPatient?: boolean },
  ): Promise<Outcome> {
    const call = this.history.begin({ client: this.name, run, act, id });
    const outcome = await this.#answerTo(call, attempt, isPatient);
    this.history.end(call, outcome);
    if (outcome.kind === "told" && again && this.random.chance(this.#around.againShare)) {
      const repeat = () => this.#repeat(call, attempt);
      if (this.random.chance(0.5)) this.#around.later.push(repeat);
      else await repeat();
    }
    return outcome;
  }

  async #repeat(call: Call, attempt: (cutMs: undefined) => Promise<Reply>): Promise<void> {
    while (!this.over) {
      if (this.history.isGone(call)) return;
      const reply = await attempt(undefined);
      if (reply.kind !== "away") {
        call.again.push(reply.kind === "ok" ? reply.body : { refused: reply.code });
        return;
      }
      await this.pause(pauseMs.least, pauseMs.most);
    }
  }

  async #answerTo(
    call: Call,
    attempt: (cutMs: number | undefined) => Promise<Reply>,
    isPatient: boolean,
  ): Promise<Outcome> {
    for (;;) {
      if (this.over) return { kind: "unknown" };
      call.attempts++;
      const cutMs = this.random.chance(this.#around.cutShare) ? this.random.int(0, 120) : undefined;
      const reply = await attempt(cutMs);
      if (reply.kind === "refused") return { kind: "refused", code: reply.code };
      if (reply.kind === "ok" && !isPending(reply.body)) return { kind: "told", answer: reply.body };
      if (reply.kind === "away") {
        call.cuts++;
        if (!isPatient) return { kind: "unknown" };
      }
      await this.pause(pauseMs.least, pauseMs.most);
    }
  }

  /** A read, until it is answered; undefined when there is no such thing, or no time left. */
  async get<Body>(path: string): Promise<Body | undefined> {
    while (!this.over) {
      const reply = await this.#once({ method: "GET", path }, undefined, undefined);
      if (reply.kind === "ok") return reply.body as Body;
      if (reply.kind === "refused") return undefined;
      await this.pause(pauseMs.least, pauseMs.most);
    }
    return undefined;
  }

  /** A file of JSON lines, anew until its end has come; undefined when it is refused, or no time is left. */
  async file(path: string): Promise<string[] | undefined> {
    while (!this.over) {
      try {
        const signal = AbortSignal.timeout(attemptMs);
        const response = await fetch(this.url + path, { headers: this.headers, signal });
        const text = await response.text();
        if (!response.ok && parsed(text)?.retryable === false) return undefined;
        const lines = text.split("\n");
        // The last line ends with a break too: what is cut off in it is no end.
        if (response.ok && lines.pop() === "" && lines.at(-1)?.startsWith('{"end":')) return lines;
      } catch {
        // Cut off: again.
      }
      await this.pause(pauseMs.least, pauseMs.most);
    }
    return undefined;
  }

  /** One attempt that has no effect if it is lost: a renewal, a long poll. */
  async once(request: Request): Promise<unknown> {
    const reply = await this.#once(request, undefined, undefined);
    return reply.kind === "ok" ? reply.body : undefined;
  }

  async #once(request: Request, idempotencyKey: string | undefined, cutMs: number | undefined): Promise<Reply> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), cutMs ?? attemptMs + (request.waitMs ?? 0));
    const end = () => limit.abort();
    this.#around.over.addEventListener("abort", end);
    try {
      const { method, path, body, lines } = request;
      const response = await fetch(this.#around.url + path, {
        method,
        headers: {
          ...this.headers,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(lines !== undefined && { "content-type": "application/x-ndjson" }),
          ...(idempotencyKey !== undefined && method === "POST" && { "idempotency-key": idempotencyKey }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(lines !== undefined && { body: lines.map((line) => `${line}\n`).join("") }),
        signal: limit.signal,
      });
      const text = await response.text();
      if (response.ok) return { kind: "ok", body: text === "" ? {} : JSON.parse(text) };
      // What is not Heddle's own words comes from the proxy before a server that is away.
      const problem = parsed(text);
      if (typeof problem?.code !== "string" || problem.retryable === true) return { kind: "away" };
      return { kind: "refused", code: problem.code };
    } catch {
      return { kind: "away" };
    } finally {
      clearTimeout(timer);
      this.#around.over.removeEventListener("abort", end);
    }
  }

  /** An op of an agent outside; half of them are named by their Idempotency-Key, the others by their call's id. */
  op(run: string, op: Op): Promise<Outcome> {
    const path = `/v1/runs/${run}/tools/${op.tool}`;
    if (this.random.chance(0.5))
      return this.ask(run, { kind: "op", op }, { method: "POST", path, body: { arguments: op.arguments } });
    const id = this.fresh("c");
    const body = { arguments: op.arguments, call_id: id, snapshot: this.base };
    return this.ask(run, { kind: "op", op }, { method: "POST", path, body }, { id, named: true });
  }

  /** An op of a session, which may wait. */
  sessionOp(run: string, actor: string, op: Op, section?: string): Promise<Outcome> {
    const id = this.fresh("c");
    const act: Act = { kind: "op", op, ...(section !== undefined && { section }) };
    const body = { arguments: op.arguments, call_id: id, actor, wait_ms: 5000 };
    const path = `/v1/runs/${run}/tools/${op.tool}`;
    // Its answers are kept for its next call.
    return this.ask(run, act, { method: "POST", path, body, waitMs: 5000 }, { id, named: true, again: false });
  }

  /** Looks at a task; what has ended is written down. */
  async look(run: string, task: string): Promise<TaskView | undefined> {
    const view = await this.get<TaskView>(`/v1/runs/${run}/tasks/${task}`);
    if (view) this.history.see(this.name, run, [view]);
    return view;
  }

  async pause(least: number, most = least): Promise<void> {
    await sleep(this.random.int(least, most), this.#around.over);
  }
}

/** Ends early when the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

const isPending = (body: unknown): boolean => (body as { pending?: unknown } | null)?.pending === true;

function parsed(text: string): { code?: unknown; retryable?: unknown } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hashOf(text: string): number {
  let hash = 7;
  for (const char of text) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  return hash;
}
