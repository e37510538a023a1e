/**
 * A route: one declaration from which the app is built and /openapi.json is generated, so that the two cannot drift.
 *
 * Every request goes the same way: is there room → who asks → query → body → Idempotency-Key → handler → answer. A handler gets validated
 * values and returns a value (printed as JSON) or a Response; it throws Faults.
 */

import type * as z from "zod";
import { stringifyRaw } from "../context/json-text.ts";
import type { Scope } from "../contract/admin-requests.ts";
import { fullText } from "../contract/full-text.ts";
import { emptyBody } from "../contract/run-requests.ts";
import type { ProblemCode } from "../errors/codes.ts";
import { Fault } from "../errors/fault.ts";
import type { Idem, RunSchedulerRpc } from "../objects/rpc.ts";
import { bearerOf, type Holder, holderOf, requireOperator, watcherOf } from "./access.ts";
import { type Door, entryOf, type Visit } from "./admission.ts";
import { noQuery, readBody, readLines, readQuery } from "./body.ts";
import type { AppOptions, HttpEnv } from "./env.ts";
import { readIdem } from "./idempotency.ts";
import { heldLease, type LeaseHolder } from "./lease-holder.ts";
import { cursorAt, type ListAsked, withPlace } from "./list-cursor.ts";
import { ask, runObject } from "./objects.ts";
import { newRunId } from "./run-id.ts";

type Access =
  | { readonly kind: "public" | "operator" | "lease" }
  | { readonly kind: "key"; readonly scopes: readonly Scope[] };

/** What is declared about a route. */
interface Spec<Path extends string, Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: Path;
  readonly summary: string;
  readonly query?: Query;
  /** Without it a POST takes no body, or an empty object. */
  readonly body?: Body;
  /** In place of a body: JSON lines, which the handler reads from `text`. */
  readonly lines?: true;
  readonly answer: Answer;
  /** Beyond those that every route of its kind can have. */
  readonly problems?: readonly ProblemCode[];
  /** Also becomes a WebSocket; of its run, and then a ticket will do for a key. */
  readonly upgrades?: true;
  /**
   * What is stored by it: refused where the tenant has stored as much as it may. A repeat of what was stored before gets its answer, which
   * the run's object has; of lines of a file there is none.
   */
  readonly stores?: "new_run" | "in_run" | "file";
  /** A POST of which nothing is kept: each request is carried out, whatever its Idempotency-Key. */
  readonly anew?: true;
  /** Its cursor is a `seq` of the log, which other things name as well, and is bound to no list. */
  readonly cursorIsSeq?: true;
  /** Left out of /openapi.json. */
  readonly hidden?: true;
}

interface Answer {
  readonly status: 200 | 201 | 202 | 204;
  /** Absent: no body, or not JSON. */
  readonly schema?: z.ZodType;
  readonly contentType?: string;
  /** Also answers as server-sent events. */
  readonly stream?: true;
  /** Of the other form that it has where the query asks for it. */
  readonly alsoType?: "text/csv" | "application/x-ndjson";
}

/** One request, before it is read. */
export interface Exchange {
  readonly request: Request;
  readonly url: URL;
  readonly env: HttpEnv;
  readonly options: AppOptions;
  readonly params: Readonly<Record<string, string>>;
  readonly door: Door;
  /** For work that nobody waits for, and that may fail. */
  readonly later: (work: Promise<unknown>) => void;
}

export interface Route extends Spec<string, z.ZodType, z.ZodType> {
  readonly access: Access;
  readonly run: (exchange: Exchange) => Promise<Response>;
}

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

interface Call<Path extends string, Query extends z.ZodType, Body extends z.ZodType> {
  readonly request: Request;
  readonly env: HttpEnv;
  readonly params: Readonly<Record<ParamNames<Path>, string>>;
  readonly query: z.output<Query>;
  readonly body: z.output<Body>;
  /** The body's text, from which messages are sliced. */
  readonly text: string;
  readonly idem: Idem | undefined;
  readonly later: Exchange["later"];
  /** For an answer that goes on after the handler has returned. */
  readonly visit: Visit;
}

type Handler<Path extends string, Query extends z.ZodType, Body extends z.ZodType, Who> = (
  call: Call<Path, Query, Body> & Who,
) => unknown;

type NoQuery = typeof noQuery;
type NoBody = typeof emptyBody;

/** Of a run's path: its object. @throws Fault as `runObject` */
type OfRun<Path extends string> = "run" extends ParamNames<Path> ? { readonly theRun: () => RunSchedulerRpc } : object;

/** Needs a key with one of `scopes`; the handler gets its tenant, the key's id, and of a run's path that run. */
export const keyRoute = <const Path extends string, Query extends z.ZodType = NoQuery, Body extends z.ZodType = NoBody>(
  scopes: readonly Scope[],
  spec: Spec<Path, Query, Body>,
  handle: Handler<Path, Query, Body, Pick<Holder, "tenant" | "key" | "quotas"> & OfRun<Path>>,
): Route => ({
  ...spec,
  access: { kind: "key", scopes },
  run: (exchange) =>
    admitted(spec, "key", exchange, async (visit) => {
      const { run } = exchange.params;
      if (run !== undefined) visit.to(bearerOf(exchange.request), run);
      const watches = spec.upgrades && run !== undefined;
      const holder = await (watches ? watcherOf(exchange, scopes, run) : holderOf(exchange, scopes));
      const { tenant, key, quotas } = holder;
      visit.of(tenant, quotas);
      const full = spec.stores && fullOf(holder);
      if (full && spec.stores === "file") throw full;
      const call = await read(spec, exchange, visit);
      const before = full && (await storedBefore(exchange, tenant, call.idem));
      if (full && !before) throw full;
      const given = { ...call, tenant, key, quotas, visit, theRun: () => runObject(exchange.env, tenant, run!) };
      return answer(spec, before ?? (await handle(given as typeof given & OfRun<Path>)), call);
    }),
});

/** Undefined while there is room. */
function fullOf({ quotas: { storage_bytes: limit }, storedBytes }: Pick<Holder, "quotas" | "storedBytes">) {
  if (limit === undefined || storedBytes < limit) return undefined;
  return new Fault("quota_exceeded", fullText({ limit, stored: storedBytes }));
}

/** What the first request of this key was answered with, if its run's object knows it. */
async function storedBefore({ env, params }: Exchange, tenant: string, idem: Idem | undefined): Promise<unknown> {
  if (!idem) return undefined;
  const run = params.run ?? (await newRunId(tenant, idem.key));
  try {
    return await ask(runObject(env, tenant, run).createdBefore(idem));
  } catch (error) {
    // It knows no such key, or there is no such run.
    if (error instanceof Fault && ["idempotency_mismatch", "not_found"].includes(error.data.code)) return undefined;
    throw error;
  }
}

/** Needs the operator's secret. */
export const operatorRoute = <
  const Path extends string,
  Query extends z.ZodType = NoQuery,
  Body extends z.ZodType = NoBody,
>(
  spec: Spec<Path, Query, Body>,
  handle: Handler<Path, Query, Body, object>,
): Route => ({
  ...spec,
  access: { kind: "operator" },
  run: (exchange) =>
    admitted(spec, "operator", exchange, async (visit) => {
      await requireOperator(exchange);
      const call = await read(spec, exchange, visit);
      return answer(spec, await handle({ ...call, visit }), call);
    }),
});

/** The path's `:lease` is the authority. Whatever else is wrong with the request, a lease that is lost is told first. */
export const leaseRoute = <
  const Path extends string,
  Query extends z.ZodType = NoQuery,
  Body extends z.ZodType = NoBody,
>(
  spec: Spec<Path, Query, Body>,
  handle: Handler<Path, Query, Body, { readonly holder: LeaseHolder }>,
): Route => ({
  ...spec,
  access: { kind: "lease" },
  run: (exchange) =>
    admitted(spec, "lease", exchange, async (visit) => {
      const holder = await heldLease(exchange.env, exchange.params.lease ?? "");
      visit.to(holder.claim.tenant, holder.claim.run);
      visit.of(holder.claim.tenant);
      return answer(
        spec,
        await holder.lostFirst(async () => handle({ ...(await read(spec, exchange, visit)), holder, visit })),
      );
    }),
});

/** Anybody's: cheap, and answered whatever else is under way. */
export const publicRoute = <const Path extends string>(
  spec: Spec<Path, NoQuery, NoBody>,
  handle: (exchange: Exchange) => unknown,
): Route => ({
  ...spec,
  access: { kind: "public" },
  run: async (exchange) => answer(spec, await handle(exchange)),
});

const admitted = (
  { method, path }: Pick<Route, "method" | "path">,
  kind: "key" | "operator" | "lease",
  { door, request }: Exchange,
  serve: (visit: Visit) => Promise<Response>,
): Promise<Response> => door.admit(entryOf({ method, path, access: { kind } }, request.headers), request, serve);

async function read<Path extends string, Query extends z.ZodType, Body extends z.ZodType>(
  spec: Spec<Path, Query, Body>,
  { request, url, env, params, later }: Exchange,
  { place }: Visit,
): Promise<Omit<Call<Path, Query, Body>, "visit">> {
  const asked = readQuery(url, spec.query ?? noQuery) as z.output<Query>;
  const query = spec.cursorIsSeq ? asked : withPlace({ path: spec.path, params, query: asked });
  const common = { request, env, later, params: params as Record<ParamNames<Path>, string>, query };
  if (spec.method !== "POST" && spec.method !== "PUT")
    return { ...common, body: {} as z.output<Body>, text: "{}", idem: undefined };
  if (spec.lines) {
    const { text, bytes } = await readLines(request, place);
    return { ...common, body: {} as z.output<Body>, text, idem: await readIdem(request, url, bytes) };
  }
  const { value, text, bytes } = await readBody(request, spec.body ?? emptyBody, place);
  // What a PUT sets it sets again.
  const idem = spec.method === "POST" ? await readIdem(request, url, bytes) : undefined;
  return { ...common, body: value as z.output<Body>, text, idem };
}

/** `call`: of a list, what was asked for. */
function answer(
  spec: Pick<Route, "answer" | "path" | "cursorIsSeq">,
  given: unknown,
  call?: Pick<ListAsked, "params" | "query">,
): Response {
  const value = call && !spec.cursorIsSeq ? boundToList(given, { path: spec.path, ...call }) : given;
  if (value instanceof Response) return value;
  const { status } = spec.answer;
  if (status === 204) return new Response(null, { status });
  return new Response(stringifyRaw(value), { status, headers: { "content-type": "application/json" } });
}

const nextCursorHeader = "heddle-next-cursor";

/** The answer, whose next cursor, in the body or of a file in its header, is one of this list. */
function boundToList(value: unknown, { path, params, query }: ListAsked): unknown {
  const bound = (place: string) => cursorAt(place, { path, params, query });
  if (value instanceof Response) {
    const next = value.headers.get(nextCursorHeader);
    if (next !== null) value.headers.set(nextCursorHeader, bound(next));
    return value;
  }
  const { next_cursor: next } = (value ?? {}) as { readonly next_cursor?: unknown };
  return typeof next === "string" ? { ...(value as object), next_cursor: bound(next) } : value;
}
