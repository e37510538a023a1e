/**
 * One streamed model call, whatever its wire format: sends, watches for silence, feeds a fold, and turns what goes wrong
 * into a fault.
 *
 * Owns: the call's one abort controller, the idle timer, the bound on a reply's bytes.
 * Does not own: the body (request-body.ts), the events' meaning (a `Fold`), what an error means (faults.ts).
 *
 * 1. The caller's abort rejects with the signal's own reason, whatever else happened; nothing else rejects but a bug.
 * 2. Silence is measured in bytes: a vendor's pings and comments count as life, though its SDK hides them.
 * 3. A stream that ends before its fold is complete is a cut connection: SDKs end quietly where a body was aborted.
 */

import type { Rates } from "../../availability/observation.ts";
import { ratesOf } from "../../availability/rate-headers.ts";
import { unfitJson } from "../../contract/json-bounds.ts";
import { modelReplyBytesMax } from "../../limits.ts";
import { fault, faultOf, MalformedStream } from "./faults.ts";
import type { ModelOutcome, ModelReply, ModelRequest } from "./port.ts";

/** Collects the typed events of one vendor's stream. */
export interface Fold<Event> {
  /** @throws MalformedStream when the event can't follow what came before. */
  add(event: Event): void;
  /** The reply, or undefined while the stream has not said that it is complete. @throws MalformedStream on an empty reply. */
  reply(): ModelReply | undefined;
}

/** What an adapter hands its SDK: `fetch` must be the SDK's only way out, `signal` its only abort. */
interface Wire {
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  readonly signal: AbortSignal;
}

export async function streamedCall<Event>(
  request: Pick<ModelRequest, "signal" | "until" | "provider" | "onBegin">,
  idleMs: number,
  open: (wire: Wire) => Promise<AsyncIterable<Event>>,
  fold: Fold<Event>,
): Promise<ModelOutcome> {
  const { signal } = request;
  signal.throwIfAborted();
  const begunAt = Date.now();
  // The simulated model's key is a public word, which its error texts may well use.
  const secrets = request.provider.name === "simulated" ? [] : [request.provider.apiKey];
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const silence = watchSilence(idleMs, () => controller.abort(new MalformedStream("idle")));
  const end = watchEnd(request.until, () => controller.abort(new MalformedStream("too long")));
  const timedOut = () => silence.fired() || end.fired();
  let rates: Rates | undefined;
  const answered = ({ headers }: Response) => {
    silence.touch();
    rates = ratesOf(headers, Date.now());
  };
  const told = (outcome: ModelOutcome): ModelOutcome => (rates ? { ...outcome, rates } : outcome);
  try {
    const events = await open({ fetch: watchedFetch(answered, silence.touch), signal: controller.signal });
    const iterator = events[Symbol.asyncIterator]();
    for (let begun = false; ; ) {
      const step = await iterator.next();
      if (step.done) break;
      if (!begun) request.onBegin?.();
      begun = true;
      fold.add(step.value);
    }
    if (!controller.signal.aborted) {
      const reply = fold.reply();
      if (reply) return told({ ok: true, reply: fit(reply) });
    }
    if (!signal.aborted && !timedOut())
      return told({
        ok: false,
        fault: fault("network", "The provider's stream ended in the middle of the reply.", secrets),
      });
  } catch (error) {
    if (!signal.aborted && !timedOut()) return told({ ok: false, fault: faultOf(error, secrets) });
  } finally {
    silence.stop();
    end.stop();
    signal.removeEventListener("abort", abort);
    // Ends a request that a malformed stream left open.
    controller.abort();
  }
  signal.throwIfAborted();
  const message = end.fired()
    ? `The reply was not whole after ${Math.round((Date.now() - begunAt) / 1000)} s, and a seat lasts no longer.`
    : `The provider sent nothing for ${idleMs / 1000} s.`;
  return told({ ok: false, fault: fault("provider_timeout", message, secrets) });
}

/** @throws MalformedStream for a message that a context would not take from outside either. */
function fit(reply: ModelReply): ModelReply {
  const unfit = unfitJson(JSON.parse(reply.message));
  if (unfit !== undefined) throw new MalformedStream(`The provider's reply ${unfit}.`);
  return reply;
}

function watchEnd(until: number | undefined, onEnd: () => void) {
  let fired = false;
  const over = () => {
    fired = true;
    onEnd();
  };
  const timer = until === undefined ? undefined : setTimeout(over, Math.max(0, until - Date.now()));
  return { fired: () => fired, stop: () => clearTimeout(timer) };
}

function watchSilence(idleMs: number, onSilence: () => void) {
  let fired = false;
  let touchedAt = Date.now();
  // One timer that looks again, instead of one timer a chunk: a stream has thousands of chunks.
  const look = () => {
    const left = touchedAt + idleMs - Date.now();
    if (left > 0) {
      timer = setTimeout(look, left);
      return;
    }
    fired = true;
    onSilence();
  };
  let timer = setTimeout(look, idleMs);
  return {
    touch: () => {
      touchedAt = Date.now();
    },
    fired: () => fired,
    stop: () => clearTimeout(timer),
  };
}

/** Reports a response, counts and reports its bytes; a redirect is an answer like any other, so a key never follows one. */
function watchedFetch(answered: (response: Response) => void, touch: () => void): Wire["fetch"] {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: "manual" });
    answered(response);
    if (!response.body) return response;
    let bytes = 0;
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        touch();
        bytes += chunk.byteLength;
        if (bytes > modelReplyBytesMax)
          controller.error(new MalformedStream(`The reply is over ${modelReplyBytesMax} bytes.`));
        else controller.enqueue(chunk);
      },
    });
    const headers = new Headers(response.headers);
    // The body is decoded already.
    headers.delete("content-encoding");
    headers.delete("content-length");
    const { status, statusText } = response;
    return new Response(response.body.pipeThrough(watch), { status, statusText, headers });
  };
}
