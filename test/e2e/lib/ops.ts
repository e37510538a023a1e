/** Ops on shared variables, through the three doors: of a simulated agent, from outside, and of a pull worker's lease. */

import type { ToolOutcome } from "../../../src/client/index.ts";
import { until } from "./log.ts";
import type { LocalServer } from "./server.ts";
import { plays } from "./sim.ts";

export interface Op {
  tool: string;
  arguments: Record<string, unknown>;
}

const opOf =
  (tool: string) =>
  (op: string, name: string, more: object = {}): Op => ({ tool, arguments: { op, name, ...more } });

export const lock = opOf("lock");
export const semaphore = opOf("semaphore");
export const barrier = opOf("barrier");
export const queue = opOf("message_queue");
export const future = opOf("future");
export const atomic = opOf("atomic");
export const sharedMap = opOf("shared_map");
export const sharedMemory = opOf("shared_memory");

export const fromOutside = (server: LocalServer, run: string, op: Op): Promise<ToolOutcome> =>
  server.heddle.callTool(run, op.tool, { arguments: op.arguments });

export const onLease = (
  server: LocalServer,
  lease: string,
  op: Op,
  more: { call_id?: string; wait_ms?: number } = {},
): Promise<ToolOutcome> => server.heddle.callLeaseTool(lease, op.tool, { arguments: op.arguments, ...more });

/** Instructions of a task that makes these calls, one a turn, and whose result is the list of their answers as JSON. */
export const asks = (...ops: Op[]): string =>
  plays([...ops.map((op) => ({ calls: [op] })), { text: `[${ops.map((_, i) => `{{${i + 1}.0}}`).join(",")}]` }]);

/** The answers that such a task had, once it has succeeded. */
export async function answersOf(server: LocalServer, run: string, task: string): Promise<unknown[]> {
  const { heddle } = server;
  await heddle.waitFor(run, { tasks: [task], mode: "settled" });
  const { state, result } = await heddle.task(run, task);
  if (state !== "succeeded") throw new Error(`${task} is ${state}`);
  return JSON.parse(result as string) as unknown[];
}

/** Resolves when so many wait for the variable. */
export const untilWaiting = (server: LocalServer, run: string, name: string, count: number): Promise<true> =>
  until(`${count} wait for ${name}`, 60_000, async () => {
    const { variables } = await server.heddle.variables(run);
    return variables.find((one) => one.name === name)?.waiters.length === count;
  }) as Promise<true>;
