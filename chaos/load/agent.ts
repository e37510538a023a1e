/**
 * An agent outside that speaks MCP, with the official client: it makes tasks and waits for them, uses variables, and holds a lock in turns with
 * the others. It names each call, and whenever one was cut off it makes it again under its name.
 */

import {
  type CallToolResult,
  Client as Protocol,
  ProtocolError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import type { TaskView } from "../../src/client/index.ts";
import type { Client, Reply } from "../client.ts";
import type { Act, Op, Outcome } from "../history.ts";
import { guardedOps, says, valueOps } from "./script.ts";

/** An attempt without an answer is given up after this; a call that waits says so long before. */
const attemptMs = 20_000;
const waitMs = 3000;

/** Once through all in any case. */
export async function agent(client: Client, run: string, goesOn: () => boolean): Promise<void> {
  const door = new Door(client);
  do {
    await turn(door, client, run);
    await client.pause(100, 900);
  } while (goesOn());
  await door.close();
}

async function turn(door: Door, client: Client, run: string): Promise<void> {
  const id = client.fresh("made");
  const tasks = [1, 2].map((i) => says(`${id}-${i}`, `made ${id}-${i}`, client.random.int(0, 1500)));
  const planned = tasks.map((task) => task.planned);
  await door.call(run, { kind: "fork", tasks: planned }, "create_task", { tasks: tasks.map(({ spec }) => spec) });
  for (const op of valueOps(client.random, client.fresh("v"))) await did(door, run, op);
  await hold(door, client, run);
  const keys = planned.map(({ key }) => key);
  const told = await door.call(run, { kind: "await", tasks: keys }, "await_tasks", { tasks: keys });
  if (told.kind !== "told") return;
  const ended = (told.answer as { result?: { tasks: TaskView[] } }).result?.tasks ?? [];
  // Nobody begins them anew.
  client.history.see(
    client.name,
    run,
    ended.map((task) => ({ ...task, generation: 1, result: task.result ?? null })),
  );
}

const did = (door: Door, run: string, op: Op, more: object = {}, section?: string): Promise<Outcome> =>
  door.call(run, { kind: "op", op, ...(section !== undefined && { section }) }, op.tool, { ...op.arguments, ...more });

/** Its session comes with the lock. */
async function hold(door: Door, client: Client, run: string): Promise<void> {
  const section = client.fresh("section");
  let held: { readonly token?: unknown; readonly actor?: unknown } | undefined;
  for (const { tool, arguments: asked } of guardedOps(section)) {
    const op = {
      tool,
      arguments: "fence" in asked ? { ...asked, fence: { lock: "guard", token: held?.token } } : asked,
    };
    const told = await did(door, run, op, tool === "lock" && held ? { actor: held.actor } : {}, section);
    if (told.kind !== "told") return;
    held ??= (told.answer as { result?: typeof held }).result;
  }
}

class Door {
  readonly #client: Client;
  #protocol: Protocol | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** `{result}` or `{error}`, as tools answer over HTTP. */
  call(run: string, act: Act, name: string, args: object): Promise<Outcome> {
    const id = this.#client.fresh("m");
    // By which it goes on to wait, or else by the call itself.
    let handle: unknown;
    const attempt = async (cutMs: number | undefined): Promise<Reply> => {
      const goesOn = handle !== undefined && this.#client.random.chance(0.5);
      const reply = goesOn
        ? await this.#once(undefined, "wait", { handle }, cutMs)
        : await this.#once(id, name, { run, ...args }, cutMs);
      if (reply.kind !== "ok") return reply;
      const { result } = reply.body as { result?: { pending?: unknown; handle?: unknown } };
      // Of a session that may have ended by then: its call alone is known for a day.
      handle = result?.handle;
      return result?.pending === true ? { kind: "ok", body: { pending: true } } : reply;
    };
    return this.#client.wish(run, act, attempt, { id, again: true });
  }

  async close(): Promise<void> {
    await this.#protocol?.close().catch(() => undefined);
  }

  async #once(id: string | undefined, name: string, args: object, cutMs: number | undefined): Promise<Reply> {
    const { over } = this.#client;
    if (over) return { kind: "away" };
    const signal = AbortSignal.timeout(cutMs ?? attemptMs);
    try {
      this.#protocol ??= await this.#connected(signal);
      const _meta = { ...(id !== undefined && { "heddle/idempotency-key": id }) };
      const params = { name, arguments: args as Record<string, unknown>, _meta };
      return replyOf((await this.#protocol.callTool(params, { signal })) as CallToolResult);
    } catch (error) {
      if (!(error instanceof ProtocolError)) return { kind: "away" };
      const { code } = (error.data ?? {}) as { code?: unknown };
      return code === "internal" ? { kind: "away" } : { kind: "refused", code: `mcp ${error.code}` };
    }
  }

  async #connected(signal: AbortSignal): Promise<Protocol> {
    const protocol = new Protocol({ name: "chaos", version: "1" }, { versionNegotiation: { mode: "auto" } });
    const address = new URL(`${this.#client.url}/mcp?wait_ms=${waitMs}`);
    const transport = new StreamableHTTPClientTransport(address, { requestInit: { headers: this.#client.headers } });
    await protocol.connect(transport, { signal });
    // With their schemas, to which it holds the answers.
    await protocol.listTools(undefined, { signal });
    return protocol;
  }
}

/** A problem of the API says whether it may be repeated; an error of the tool itself does not. */
function replyOf({ isError, structuredContent, content }: CallToolResult): Reply {
  if (!isError) return { kind: "ok", body: { result: structuredContent } };
  const [said] = content;
  const { error } = JSON.parse(said?.type === "text" ? said.text : "{}") as {
    error: { code: string; retryable?: boolean };
  };
  if (error.retryable === undefined) return { kind: "ok", body: { error } };
  return error.retryable ? { kind: "away" } : { kind: "refused", code: error.code };
}
