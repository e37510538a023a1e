/**
 * The simulated model (contract, DESIGN §10): answers the two vendors' model calls over HTTP, played from data in the
 * conversation, so that the same SDKs and adapters run with no account, key or network. Local mode only. Of OpenAI's two
 * kinds of calls, responses are read as the chat completions that say the same.
 *
 * Owns: routing, the order of a request's checks, waiting, streaming, the prompt cache of this isolate.
 * Does not own: which turn is due (reply.ts), the wire (`…-wire.ts`), how often a turn failed (a
 * `FailCounter`, which outlives restarts).
 *
 * 1. What a vendor refuses is refused as it does: every request's messages pass the vendors' message rules first.
 * 2. A scripted failure is answered at once; `latency_ms` is waited for before the first byte of a reply, and ends with
 *    the request.
 * 3. It is a function of the request, the counter, the prefixes seen and the calls under way; no other state.
 */

import { checkMessages } from "../../context/message-rules.ts";
import type { Format } from "../../context/types.ts";
import { simulatedBodyBytesMax, simulatedLatencyMsMax, simulatedPingMs, simulatedRetryAfterS } from "../../limits.ts";
import { anthropicWire } from "./anthropic-wire.ts";
import { type Fields, fieldsOf, readMessages } from "./conversation.ts";
import { takePlace } from "./hidden-limit.ts";
import { openaiWire } from "./openai-wire.ts";
import { promptOf } from "./prompt.ts";
import { PromptCache } from "./prompt-cache.ts";
import { type DueTurn, digest, dueTurn, type SimulatedReply } from "./reply.ts";
import { type ChatRequest, chatRequest } from "./responses-request.ts";
import { responsesWire } from "./responses-wire.ts";
import { BadScript } from "./script.ts";
import type { Wire } from "./wire.ts";

/** Counts, durably, how often each key was seen. */
export interface FailCounter {
  /** How often the key was counted before this call, which counts it once more. */
  next(key: string): Promise<number>;
}

/** What is asked at an address. */
interface Endpoint {
  readonly path: string;
  readonly format: Format;
  readonly wire: Wire;
  /** Where the request's body is another than the format's: what it says in the format's. */
  readonly read?: (body: Fields) => ChatRequest;
}

const anthropicMessages: Endpoint = { path: "/v1/messages", format: "anthropic", wire: anthropicWire };
const chatCompletions: Endpoint = { path: "/v1/chat/completions", format: "openai", wire: openaiWire };
const openaiResponses: Endpoint = { path: "/v1/responses", format: "openai", wire: responsesWire, read: chatRequest };
const modelId = "simulated";
const cache = new PromptCache();

/** What is answered instead of a reply. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers `POST` to the three addresses and `GET …/models`; anything else in the vendor's shape of 404. */
export async function handleSimulated(request: Request, counter: FailCounter): Promise<Response> {
  const { pathname } = new URL(request.url);
  const endpoint = endpointOf(pathname, request.headers);
  const { path, wire } = endpoint;
  try {
    if (/\/models(\/[^/]+)?$/.test(pathname)) {
      if (request.method !== "GET") throw new Refused(405, "Only GET is answered here.");
      return json(200, wire.models([modelId]));
    }
    if (!pathname.endsWith(path))
      throw new Refused(404, `There is nothing at ${pathname}; the model answers at ${path}.`);
    if (request.method !== "POST") throw new Refused(405, "Only POST is answered here.");
    return await answer(request, endpoint, counter);
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    if (error instanceof BadScript) return json(400, wire.error(400, error.message));
    if (error instanceof Refused) return json(error.status, wire.error(error.status, error.message));
    throw error;
  }
}

function endpointOf(pathname: string, headers: Headers): Endpoint {
  if (pathname.endsWith("/responses")) return openaiResponses;
  if (pathname.endsWith("/chat/completions")) return chatCompletions;
  return pathname.endsWith("/messages") || headers.has("anthropic-version") || pathname.includes("/anthropic/")
    ? anthropicMessages
    : chatCompletions;
}

async function answer(request: Request, { format, wire, read }: Endpoint, counter: FailCounter): Promise<Response> {
  const body = readAs(read, await readBody(request));
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : [];
  if (typeof body.model !== "string" || body.model === "") throw new Refused(400, "model: a name is required");
  const missing = wire.missing(body);
  if (missing !== undefined) throw new Refused(400, missing);
  if (messages.length === 0) throw new Refused(400, "messages: at least one message is required");
  const violations = checkMessages(format, messages);
  if (violations.length > 0) throw new Refused(400, violations.join("; "));

  const taskId = request.headers.get("x-heddle-task") ?? undefined;
  const due = await dueTurn(readMessages(format, messages), taskId, messages);
  const id = (await digest(`${due.key}:${messages.length}`)).slice(0, 24);
  const headers = { [wire.requestIdHeader]: `req_${id}` };
  const scope = `${body.model} ${format === "openai" ? JSON.stringify(body.prompt_cache_key ?? null) : ""}`;
  const measured = cache.measure(format, promptOf(format, body), scope);
  if (due.window !== undefined && measured.usage.input > due.window)
    return json(400, wire.tooLong(measured.usage.input, due.window), headers);
  if (due.responsesOnly && wire === openaiWire) {
    const message = `Function tools with reasoning_effort are not supported for ${body.model} in /v1/chat/completions. Please use /v1/responses instead.`;
    return json(400, wire.error(400, message), headers);
  }
  const failed = await scriptedFailure(due, wire, counter, headers);
  if (failed) return failed;
  const leave = due.concurrent === undefined ? () => undefined : takePlace(body.model, due.concurrent);
  if (!leave) {
    const message = "Number of concurrent connections has exceeded your rate limit.";
    return json(429, wire.error(429, message), { ...headers, "retry-after": String(simulatedRetryAfterS) });
  }
  const reply: SimulatedReply = {
    id,
    model: body.model,
    text: due.text,
    calls: due.calls,
    usage: { ...given(measured.usage, due.turn?.usage?.input), output: due.output },
  };
  const latencyMs = Math.min(due.latencyMs, simulatedLatencyMsMax);
  if (body.stream === true) {
    const events = wire.events(reply, body);
    const stream = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...headers };
    const eventMs = Math.min((due.turn?.stream_ms ?? 0) / events.length, simulatedPingMs);
    const waits = latencyMs > simulatedPingMs;
    request.signal.addEventListener("abort", leave, { once: true });
    if (!waits) await wait(latencyMs, request.signal);
    const beforeMs = waits ? latencyMs : 0;
    return new Response(eventStream(events, wire.ping, { beforeMs, eventMs }, request.signal, measured.begin, leave), {
      headers: stream,
    });
  }
  await wait(latencyMs, request.signal).finally(leave);
  measured.begin();
  return json(200, wire.body(reply, body), headers);
}

function readAs(read: Endpoint["read"], body: Fields): Fields {
  const asked = read?.(body) ?? { body };
  if ("refused" in asked) throw new Refused(400, asked.refused);
  return asked.body;
}

async function readBody(request: Request): Promise<Fields> {
  if (Number(request.headers.get("content-length") ?? 0) > simulatedBodyBytesMax) throw tooLarge();
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > simulatedBodyBytesMax) throw tooLarge();
  try {
    return fieldsOf(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new Refused(400, `The request body is not valid JSON: ${(error as SyntaxError).message}`);
  }
}

const tooLarge = () => new Refused(413, `The request exceeds ${simulatedBodyBytesMax} bytes.`);

/** The answer of a turn that is to fail still; undefined when it has failed often enough, or never was to. */
async function scriptedFailure(
  due: DueTurn,
  wire: Wire,
  counter: FailCounter,
  headers: Record<string, string>,
): Promise<Response | undefined> {
  const fail = due.turn?.fail;
  if (!fail || fail.times === 0) return undefined;
  const before = await counter.next(due.key);
  if (before >= fail.times) return undefined;
  const message = `simulated failure ${before + 1} of ${fail.times} in turn ${due.number}`;
  const retry = fail.status === 429 ? { "retry-after": String(simulatedRetryAfterS) } : {};
  return json(fail.status, wire.error(fail.status, message), { ...headers, ...retry });
}

/** `usage.input` of the script stands for all of the prompt; the cached parts can't be more than that. */
function given(usage: { input: number; read: number; written: number }, input: number | undefined) {
  if (input === undefined) return usage;
  const read = Math.min(usage.read, input);
  return { input, read, written: Math.min(usage.written, input - read) };
}

/** One event a pull, each after its share of `stream_ms`, all after the wait; a long wait is filled with pings, or what watches for silence would end it. */
function eventStream(
  events: readonly string[],
  ping: string,
  { beforeMs, eventMs }: { beforeMs: number; eventMs: number },
  signal: AbortSignal,
  begin: () => void,
  end: () => void,
) {
  const encoder = new TextEncoder();
  let left = beforeMs;
  let next = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        if (left > 0) {
          const step = Math.min(left, simulatedPingMs);
          await wait(step, signal);
          left -= step;
          if (left > 0) {
            controller.enqueue(encoder.encode(ping));
            return;
          }
        }
        if (next === 0) begin();
        else await wait(eventMs, signal);
        controller.enqueue(encoder.encode(events[next++]));
        if (next < events.length) return;
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    cancel: end,
  });
}

/** Rejects with the signal's reason when it ends first. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
