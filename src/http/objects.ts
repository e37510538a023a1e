/** Calls of the Durable Objects: their names, and their answers as values or faults. */

import { Fault } from "../errors/fault.ts";
import { isRunId } from "../ids.ts";
import type { Reply, RunSchedulerRpc, TenantGateRpc } from "../objects/rpc.ts";
import type { HttpEnv } from "./env.ts";

/** The object of a tenant's run. @throws Fault not_found for what no run's id looks like, so that no object is named by it */
export function runObject(env: HttpEnv, tenant: string, run: string): RunSchedulerRpc {
  if (!isRunId(run)) throw new Fault("not_found", "there is no such run");
  return env.RUNS.getByName(`${tenant}/${run}`);
}

export const gateObject = (env: HttpEnv, tenant: string): TenantGateRpc => env.GATES.getByName(tenant);

/** The value of an object's answer. @throws Fault: the object's own; `overloaded` when the platform could not serve the call */
export async function ask<T>(call: Promise<Reply<T>>): Promise<T> {
  let reply: Reply<T>;
  try {
    reply = await call;
  } catch (error) {
    throw platformFault(error) ?? error;
  }
  if (!reply.ok) throw Fault.of(reply.fault);
  return reply.value;
}

/** Errors of the platform, not of the object's code: they carry these marks. */
function platformFault(error: unknown): Fault | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const marks = error as { overloaded?: boolean; retryable?: boolean; durableObjectReset?: boolean; message?: unknown };
  if (marks.overloaded) return new Fault("overloaded");
  if (marks.retryable || marks.durableObjectReset)
    return new Fault("overloaded", "the run's object restarted meanwhile");
  // A text with any character beyond Latin-1 travels in two bytes a character, so one under its own cap can be over this one.
  if (/limited to 32\s?MiB/i.test(String(marks.message))) {
    return new Fault("context_too_large", "with characters beyond Latin-1 in it, it takes more than 32 MiB inside");
  }
  return undefined;
}
