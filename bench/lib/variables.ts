/** Ops on shared variables by callers outside: what a client of a peer's lock or channel would do. */

import type { ActorView, Heddle } from "../../src/client/index.ts";

export interface Caller {
  readonly heddle: Heddle;
  readonly run: string;
  readonly actor: ActorView;
}

const ttlMs = 600_000;
const waitMs = 30_000;

/** Sessions, each one flow of control. */
export const openCallers = (heddle: Heddle, run: string, count: number): Promise<Caller[]> =>
  Promise.all(
    Array.from({ length: count }, async () => ({ heddle, run, actor: await heddle.openActor(run, { ttl_ms: ttlMs }) })),
  );

/** One op, waited for. @throws Error for an error result, or when it has not ended within a long poll */
export async function use(
  { heddle, run, actor }: Caller,
  tool: string,
  args: { op: string; name: string; [field: string]: unknown },
): Promise<Record<string, unknown>> {
  const outcome = await heddle.callTool(run, tool, { arguments: args, actor: actor.id, wait_ms: waitMs });
  if ("result" in outcome) return outcome.result as Record<string, unknown>;
  throw new Error(`${tool} ${args.op}: ${JSON.stringify(outcome)}`);
}
