/**
 * One HTTP call: JSON both ways, problems as errors, repeated where repeating is safe.
 *
 * T1  Only a call that can be repeated without a second effect is repeated: reads, PUT, DELETE, and POSTs, which carry an
 *     Idempotency-Key that stays the same over the repeats.
 * T2  A repeat happens after no answer, or after an answer that says it is temporary: never before its `retry-after`, and then
 *     after a backoff with chance in it, since others were refused at the same moment. The server's clock counts for a date in it.
 * T3  What no repeat mends ends at once: an address or a key that can't be used, before anything is sent; a host that there is not, or
 *     that is not trusted, as long as the server has never answered. Once it has, that is a network that is away for a moment; and
 *     a 404 that is not Heddle's is then a proxy that does not find what it stands before.
 * T4  What a repeat of a deletion does not find is deleted: by the one before it, whose answer nobody has heard.
 * T5  How long repeats go on is measured by a clock that nobody sets.
 * T6  An abort ends the call and its waits at once; its reason is what is thrown.
 */

import { clientAttemptMs, clientBackoffMsMax, clientBackoffMsMin, clientRetryMs } from "../limits.ts";
import { checkAddress, checkKey } from "./address.ts";
import { HeddleProblem, HeddleUnreachable, isProblem } from "./errors.ts";
import { now, steadyMsSince } from "./moment.ts";
import { isLasting } from "./no-answer.ts";
import { randomKey } from "./random-key.ts";
import { firstOf, limited } from "./signals.ts";
import { sleep } from "./sleep.ts";
import { platformSocket, type Socket } from "./socket.ts";

/** Where Heddle is, and how it is called. */
export interface TransportOptions {
  /** Where Heddle is, e.g. `http://127.0.0.1:8787`. In a page, its own origin may be left out. */
  readonly url: string;
  /** `hdl_…`; calls on a lease need none. */
  readonly key?: string;
  /** Repeats go on for this long after the first attempt; 30 s by default, 0 for none. */
  readonly retryMs?: number;
  readonly fetch?: typeof fetch;
}

/** What every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: a random one per call. */
  readonly idempotencyKey?: string | undefined;
  /** Instead of the client's own. */
  readonly retryMs?: number | undefined;
}

interface Call extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Record<string, string | number | undefined>;
  readonly body?: unknown;
  /** In its place: JSON lines, as they are. */
  readonly lines?: string;
  /** The server may take this long on purpose (a long poll). */
  readonly waitMs?: number;
  /** False for calls that the path itself authorises (leases), and for /health. */
  readonly withKey?: boolean;
  /** False for a POST that only reads. */
  readonly idempotent?: boolean;
  readonly accept?: string;
  readonly headers?: Record<string, string>;
}

export class Transport {
  readonly url: string;
  readonly #key: string | undefined;
  readonly retryMs: number;
  readonly #fetch: typeof fetch;
  /** Whether a run is followed through a WebSocket where nobody says how. */
  readonly prefersSockets: boolean;
  #hasAnswered = false;
  /** What answered was Heddle. */
  #isHeddle = false;

  /** @throws TypeError for an address or a key that nothing can be sent with */
  constructor(options: TransportOptions) {
    // Without types it can be forgotten, or come from a variable that is not set.
    checkAddress((options as TransportOptions | undefined)?.url);
    if (options.key !== undefined) checkKey(options.key);
    this.url = options.url.trim().replace(/\/+$/, "");
    this.#key = options.key;
    this.retryMs = options.retryMs ?? clientRetryMs;
    // Not as a method of this: browsers and Workers refuse their fetch with any other `this` than the global one.
    const given = options.fetch;
    this.#fetch = async (input, init) => {
      const response = await (given ?? fetch)(input, init);
      this.#hasAnswered = true;
      return response;
    };
    // Whoever brings a fetch of their own goes another way than the platform's sockets would.
    this.prefersSockets = options.fetch === undefined && platformSocket() !== undefined;
  }

  /** A WebSocket to `path`, with the client's key, or a ticket in its place. @throws where the platform has none */
  socket(path: string, query: Call["query"], ticket?: string): Socket {
    const Class = platformSocket();
    if (!Class) throw new Error("There is no WebSocket here: Node has one from 22 on.");
    const token = ticket ?? this.#key;
    const url = this.#url(path, query).replace(/^http/, "ws");
    return new Class(url, ["heddle.v1", ...(token === undefined ? [] : [`heddle.bearer.${token}`])]);
  }

  /** The reply's JSON. @throws HeddleProblem, HeddleUnreachable, or the abort's reason */
  async json<Reply>(call: Call): Promise<Reply> {
    return this.#repeated(call, async (request, signal) => {
      const response = await this.#fetch(request.url, { ...request.init, signal });
      const text = await response.text();
      return this.#parsed(response, text) as Reply;
    });
  }

  /** DELETE, of what is gone then. @throws as `json`; `not_found` only where nothing that was sent before can have deleted it (T4) */
  async remove(path: string, options: CallOptions): Promise<void> {
    let mayBeGone = false;
    await this.#repeated({ ...options, method: "DELETE", path }, async (request, signal) => {
      const wasUnheard = mayBeGone;
      mayBeGone = true;
      const response = await this.#fetch(request.url, { ...request.init, signal });
      const text = await response.text();
      // Who was told to come later has begun nothing.
      mayBeGone = wasUnheard || response.status >= 500;
      try {
        this.#parsed(response, text);
      } catch (error) {
        if (!wasUnheard || !isProblem(error, "not_found")) throw error;
      }
    });
  }

  /** The reply's JSON as its text. @throws as `json` */
  async text(call: Call): Promise<string> {
    return this.#repeated(call, async (request, signal) => {
      const response = await this.#fetch(request.url, { ...request.init, signal });
      const text = await response.text();
      if (response.status !== 200) this.#parsed(response, text);
      if (!isOf(response, request)) throw this.#strange(response, text);
      return text;
    });
  }

  /**
   * The reply as a stream, once its headers say 200; the caller reads or cancels the body. Aborting ends the body too, until `leave`.
   * @throws as `json`: it is repeated up to its headers
   */
  async stream(call: Call): Promise<{ readonly response: Response; readonly leave: () => void }> {
    return this.#repeated(call, async (request, signal) => {
      // The attempt's own time is for its headers, and must not cut a live stream.
      const { signal: lasting, clear: leave } = firstOf(call.signal);
      const { signal: either, clear } = firstOf(lasting, signal);
      try {
        const response = await this.#fetch(request.url, { ...request.init, signal: either });
        if (response.status !== 200) this.#parsed(response, await response.text());
        if (!isOf(response, request)) throw this.#strange(response, await response.text());
        return { response, leave };
      } catch (error) {
        clear();
        leave();
        throw error;
      }
    });
  }

  async #repeated<Reply>(
    call: Call,
    attempt: (request: Prepared, signal: AbortSignal) => Promise<Reply>,
  ): Promise<Reply> {
    const request = this.#request(call);
    const begunAt = now();
    const retryMs = call.retryMs ?? this.retryMs;
    for (let backoffMs = clientBackoffMsMin; ; backoffMs = Math.min(2 * backoffMs, clientBackoffMsMax)) {
      call.signal?.throwIfAborted();
      const limit = limited(call.signal, clientAttemptMs + (call.waitMs ?? 0));
      let failure: HeddleProblem | HeddleUnreachable;
      try {
        return await attempt(request, limit.signal);
      } catch (error) {
        call.signal?.throwIfAborted();
        failure = error instanceof HeddleProblem ? error : new HeddleUnreachable(this.url, error);
      } finally {
        limit.clear();
      }
      if (failure instanceof HeddleProblem ? !failure.retryable : !this.#hasAnswered && isLasting(failure.cause))
        throw failure;
      const pauseMs = (retryAfters.get(failure) ?? 0) + backoffMs * (0.5 + Math.random() / 2);
      if (steadyMsSince(begunAt) + pauseMs > retryMs) throw failure;
      await sleep(pauseMs, call.signal);
    }
  }

  #request(call: Call): Prepared {
    const { accept = "application/json" } = call;
    const headers: Record<string, string> = { accept, ...call.headers };
    if (call.withKey !== false && this.#key !== undefined) headers.authorization = `Bearer ${this.#key}`;
    if (call.body !== undefined) headers["content-type"] = "application/json";
    if (call.lines !== undefined) headers["content-type"] = "application/x-ndjson";
    if (call.method === "POST" && call.idempotent !== false) {
      headers["idempotency-key"] = call.idempotencyKey ?? randomKey();
    }
    const url = this.#url(call.path, call.query);
    const body = call.lines ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    // Made here, so that a header which can't be sent is thrown at once, and not taken for a server that is away.
    const init = { method: call.method, headers: new Headers(headers), ...(body !== undefined && { body }) };
    return { url, accept, init };
  }

  #url(path: string, values: Call["query"] = {}): string {
    // A URL takes these for the way up, however they are encoded: another thing would be called than the one named.
    if (path.split("/").some((part) => part === "." || part === "..")) throw new HeddleProblem(404, noName);
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
    return `${this.url}${path}${query.size > 0 ? `?${query}` : ""}`;
  }

  #parsed(response: Response, text: string): unknown {
    let body: unknown;
    try {
      body = response.status === 204 ? {} : JSON.parse(text);
    } catch {
      body = undefined;
    }
    // All that Heddle answers is an object.
    if (typeof body !== "object" || body === null) body = undefined;
    const known = body !== undefined && "code" in (body as object);
    if (response.ok ? body !== undefined : known) this.#isHeddle = true;
    if (response.ok && body !== undefined) return body;
    if (!known) throw this.#strange(response, text);
    throw after(response, new HeddleProblem(response.status, body as Record<string, unknown>));
  }

  /** Something else has answered. */
  #strange(response: Response, text: string): HeddleProblem {
    // Heddle's own errors are JSON, so this is a proxy's: what it stands before is away, or starts again.
    const retryable = response.status >= 500 || (this.#isHeddle && response.status === 404);
    const problem = {
      code: "not_heddle",
      title: "The answer is not Heddle's",
      detail: `${this.url} answered ${response.status} with something else than Heddle's JSON: ${text.slice(0, 200)}`,
      hint: "Check the address (HEDDLE_URL), and any proxy between.",
      retryable,
    };
    return after(response, new HeddleProblem(response.ok ? 502 : response.status, problem));
  }
}

interface Prepared {
  readonly accept: string;
  readonly url: string;
  readonly init: RequestInit;
}

const noName = {
  code: "not_found",
  title: "There is no such thing here",
  detail: 'nothing is named "." or ".."',
  hint: "Check the id.",
};

/** Whether it is of the kind that was asked for: a page of a proxy's may say 200, too. */
const isOf = (response: Response, { accept }: Prepared): boolean =>
  accept === "*/*" || response.headers.get("content-type")?.startsWith(accept) === true;

/** In milliseconds. */
const retryAfters = new WeakMap<Error, number>();

/** The problem, with when its answer lets it be tried again: after seconds, or at a date, which is one of the clock that wrote it. */
function after(response: Response, problem: HeddleProblem): HeddleProblem {
  const text = response.headers.get("retry-after") ?? "";
  const date = Date.parse(response.headers.get("date") ?? "") || Date.now();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - date;
  if (ms > 0) retryAfters.set(problem, ms);
  return problem;
}
