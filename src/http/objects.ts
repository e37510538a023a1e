/** Calls of the Durable Objects: their names, and their answers as values or faults. */

import { Fault, type FaultData } from "../errors/fault.ts";
import { isRunId } from "../ids.ts";
import { watcherLifeMs } from "../limits.ts";
import { gateRepeats, persistent, runRepeats } from "../object-calls.ts";
import type { Reply, RunSchedulerRpc, TenantGateRpc } from "../objects/rpc.ts";
import type { HttpEnv } from "./env.ts";
import { platformProblem } from "./problem.ts";
import type { TakesSockets } from "./sockets.ts";

/** The object of a tenant's run. @throws Fault not_found for what no run's id looks like, so that no object is named by it */
export function runObject(env: HttpEnv, tenant: string, run: string): RunSchedulerRpc {
  if (!isRunId(run)) throw new Fault("not_found", "there is no such run");
  return persistent(() => env.RUNS.getByName(`${tenant}/${run}`), runRepeats);
}

/** A socket of the run's object. The object's own refusal, or what the platform's failure stands for, is thrown. @throws Fault */
export async function runSocket(
  env: HttpEnv,
  tenant: string,
  run: string,
  { after, partial }: { readonly after: number; readonly partial: boolean },
): Promise<WebSocket> {
  if (!isRunId(run)) throw new Fault("not_found", "there is no such run");
  const object = persistent<Pick<TakesSockets, "fetch">>(() => env.RUNS.getByName(`${tenant}/${run}`), { fetch: true });
  const until = Math.round(Date.now() + watcherLifeMs * (1 - Math.random() / 4));
  const request = new Request(`https://run/watch?after=${after}&partial=${partial}&until=${until}`, {
    headers: { upgrade: "websocket" },
  });
  let response: Response;
  try {
    response = await object.fetch(request);
  } catch (error) {
    throw platformProblem(error) ?? error;
  }
  if (response.webSocket) return response.webSocket;
  const { fault } = (await response.json()) as { fault: FaultData };
  throw Fault.of(fault);
}

export const gateObject = (env: HttpEnv, tenant: string): TenantGateRpc =>
  persistent(() => env.GATES.getByName(tenant), gateRepeats);

/** The value of an object's answer. @throws Fault: the object's own, or what the platform's failure stands for */
export async function ask<T>(call: Promise<Reply<T>>): Promise<T> {
  let reply: Reply<T>;
  try {
    reply = await call;
  } catch (error) {
    throw platformProblem(error) ?? error;
  }
  if (!reply.ok) throw Fault.of(reply.fault);
  return reply.value;
}
