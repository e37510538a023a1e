/** A little worker in the test: leases calls of a pool's tools and answers them as it is told. */

import type { CompleteToolCallRequest, ToolCallLease } from "../../../src/client/index.ts";
import { until } from "./log.ts";
import type { LocalServer } from "./server.ts";

/** The next call that the pool gets. */
export const nextCall = (server: LocalServer, pool: string, tools?: string[]): Promise<ToolCallLease> =>
  until(`a call in ${pool}`, 30_000, async () => {
    const ask = { worker: "little", max: 1, wait_ms: 5000, ...(tools && { tools }) };
    return (await server.heddle.leaseToolCalls(pool, ask))[0];
  });

type Answer = Pick<CompleteToolCallRequest, "result" | "is_error">;

/** Carries out `count` calls, all leased before the first is answered; answers them as they were leased. */
export async function serveCalls(
  server: LocalServer,
  pool: string,
  count: number,
  answer: (call: ToolCallLease["tool_call"]) => Answer,
): Promise<ToolCallLease[]> {
  const leases: ToolCallLease[] = [];
  while (leases.length < count) leases.push(await nextCall(server, pool));
  for (const lease of leases) await server.heddle.completeToolCall(lease.id, answer(lease.tool_call));
  return leases;
}
