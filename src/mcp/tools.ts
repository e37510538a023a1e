/**
 * Tool calls: which requests of the API one stands for.
 *
 * A client has no session of its own, and what it holds has to be somebody's. So acquire opens a session of the run (POST …/actors), which
 * ends some minutes after its last call, and answers its id as `actor`; other calls that have to wait open one for their own time.
 *
 * A call that its client has named (turn.ts) makes the same requests each time, under names made of that one: so a repeat finds the run, the
 * session and the answer of the first, whatever became of its connection.
 */

import type { CallToolResult } from "@modelcontextprotocol/server";
import { rawMembers } from "../context/json-text.ts";
import { digestOf } from "../context/line-digest.ts";
import {
  isAddress,
  isHeldTool,
  isOwnTool,
  type McpToolName,
  type OwnCall,
  parseAddress,
  parseOwnTool,
  releaseNeedsActor,
} from "../contract/mcp-tools.ts";
import { argumentsObject, type ToolName } from "../contract/tools.ts";
import { isBlockingKind } from "../contract/variable-tools.ts";
import { toolErrorOf } from "../errors/codes.ts";
import type { McpCall } from "../http/mcp.ts";
import { mcpHoldMs, mcpWaiterMs } from "../limits.ts";
import { errorOf, outcomeResult, problemInside, problemResult, resultOf } from "./answers.ts";
import { readHandle } from "./handles.ts";
import type { Turn } from "./turn.ts";
import { waitFor } from "./waiting.ts";
import { toolOfLease, toolOfRun, waitOf } from "./waits.ts";

/**
 * A hash, so that it meets no name that somebody gave a request over HTTP. `of`: what the call asks for, where its requests would not be
 * refused if another call had their name.
 */
const idOf = ({ key }: Turn, of = ""): string =>
  `call_${key === undefined ? crypto.randomUUID() : digestOf("heddle mcp", `${key}\n${of}`)}`;
/** Only what a client has named may be known by a name: any other call of it is one of its own. */
const named = ({ key }: Turn, id: string) => (key === undefined ? {} : { idempotencyKey: id });

/** A tool's result, or, for a client that takes one, the durable task that stands for it. */
export async function callTool(call: McpCall, name: McpToolName, argumentsText: string, turn: Turn): Promise<object> {
  if (isOwnTool(name)) {
    const parsed = parseOwnTool(call.bearer, name, argumentsText);
    return parsed.ok ? ownTool(call, parsed.call, turn) : errorOf(parsed.error);
  }
  const members = rawMembers(argumentsText);
  const isField = (key: string) => isAddress(call.bearer, name, key);
  const fields = members.filter(({ key }) => isField(key)).map(({ key, value }) => [key, JSON.parse(value)] as const);
  const address = parseAddress(call.bearer, name, Object.fromEntries(fields));
  if (!address.ok) return errorOf(address.error);
  const args = `{${members
    .filter(({ key }) => !isField(key))
    .map(({ key, value }) => `${JSON.stringify(key)}:${value}`)
    .join(",")}}`;
  const { run, actor } = address.call;
  if (call.lease) {
    if (run !== undefined && run !== call.lease.run)
      return errorOf(toolErrorOf("bad_arguments", `${name}: run: your lease is of another run; leave it out`));
    return ofLease(call, name, args, turn);
  }
  return ofRun(call, { run: run!, tool: name, args, ...(actor !== undefined && { actor }) }, turn);
}

async function ownTool(call: McpCall, asked: OwnCall, turn: Turn): Promise<object> {
  if (asked.tool === "start_run") {
    const created = await call.ask({
      ...{ method: "POST", path: "/v1/runs", idempotencyKey: idOf(turn) },
      body: JSON.stringify(asked.body),
    });
    return created.ok ? startedRun(created.text) : problemResult(created);
  }
  if (asked.tool === "list_runs") {
    const given = Object.entries(asked.query).filter(([, value]) => value !== undefined);
    const query = Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
    const listed = await call.ask({ method: "GET", path: "/v1/runs", query });
    return listed.ok ? resultOf(listed.text) : problemResult(listed);
  }
  if ("handle" in asked) {
    const handle = readHandle(asked.handle);
    const isTheirs = handle && (handle.of === "lease") === (call.bearer === "lease");
    if (!isTheirs) return errorOf(toolErrorOf("bad_arguments", "wait: handle: no call has answered with it"));
    return waitFor(call, turn, waitOf(call, handle), true);
  }
  const { run, timeoutMs } = asked;
  const since = Date.now();
  return waitFor(
    call,
    turn,
    waitOf(call, { of: "run", run, since, ...(timeoutMs !== undefined && { until: since + timeoutMs }) }),
  );
}

/** What the next calls need of it. */
function startedRun(text: string): CallToolResult {
  const { id, status, name, notes } = JSON.parse(text) as {
    id: string;
    status: string;
    name: unknown;
    notes?: unknown;
  };
  return resultOf(JSON.stringify({ id, status, name, notes }));
}

interface OfRun {
  readonly run: string;
  readonly tool: ToolName;
  readonly args: string;
  readonly actor?: string;
}

async function ofRun(call: McpCall, asked: OfRun, turn: Turn): Promise<object> {
  const { run, tool, args, actor } = asked;
  const op = opOf(args);
  if (isHeldTool(tool) && op === "release" && actor === undefined) return errorOf(releaseNeedsActor);
  if (isHeldTool(tool) && (op === "acquire" || op === "try_acquire"))
    return bySession(call, asked, turn, { holds: true });
  if (tool === "barrier") return bySession(call, asked, turn, { holds: false });
  if (tool === "await_tasks") return awaitTasks(call, asked, turn);
  const callId = idOf(turn);
  const sent = { args, waitMs: 0, callId, ...(actor !== undefined && { actor }) };
  const done = outcomeResult(await call.ask({ ...toolOfRun(run, tool, sent), ...named(turn, callId) }));
  // It is not ready for it now, and has to be waited for.
  if (done && isBlockingKind(tool) && problemInside(done)?.code === "needs_actor")
    return bySession(call, asked, turn, { holds: false });
  return done ?? errorOf(toolErrorOf("timed_out", `${tool} did not answer in time`));
}

function awaitTasks(call: McpCall, { run, args }: OfRun, turn: Turn): Promise<object> {
  const { timeout_ms: ms } = JSON.parse(args) as { timeout_ms?: unknown };
  const since = Date.now();
  const until = Number.isSafeInteger(ms) && (ms as number) >= 0 ? { until: since + (ms as number) } : {};
  return waitFor(call, turn, waitOf(call, { of: "tasks", run, since, args, ...until }));
}

/** A call that may wait: by the session that it names, or one of its own. */
async function bySession(
  call: McpCall,
  { run, tool, args, actor: given }: OfRun,
  turn: Turn,
  { holds }: { readonly holds: boolean },
): Promise<object> {
  const id = idOf(turn, `${tool} ${args}`);
  let actor = given;
  if (actor === undefined) {
    const name = turn.client === "" ? "MCP" : `MCP: ${turn.client}`;
    const opened = await call.ask({
      ...{ method: "POST", path: "/v1/runs/:run/actors", params: { run }, idempotencyKey: id },
      body: JSON.stringify({ name, ttl_ms: holds ? mcpHoldMs : mcpWaiterMs }),
    });
    if (!opened.ok) return problemResult(opened);
    actor = (JSON.parse(opened.text) as { id: string }).id;
  }
  const own = given !== undefined;
  return waitFor(
    call,
    turn,
    waitOf(call, { of: "session", run, since: Date.now(), tool, args, actor, call: id, holds, own }),
  );
}

async function ofLease(call: McpCall, tool: ToolName, args: string, turn: Turn): Promise<object> {
  if (isBlockingKind(tool) || tool === "await_tasks") {
    const id = idOf(turn, `${tool} ${args}`);
    return waitFor(call, turn, waitOf(call, { of: "lease", since: Date.now(), tool, args, call: id }));
  }
  const id = idOf(turn);
  const asked = toolOfLease(call, tool, { args, waitMs: 0, callId: id });
  const done = outcomeResult(await call.ask({ ...asked, ...named(turn, id) }));
  return done ?? errorOf(toolErrorOf("timed_out", `${tool} did not answer in time`));
}

function opOf(args: string): unknown {
  const parsed = argumentsObject(args);
  return parsed.ok ? (parsed.args as { op?: unknown }).op : undefined;
}
