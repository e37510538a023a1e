/**
 * Calls of Durable Objects: every stub that Heddle calls is one of these.
 *
 * P1. Each call is made on a fresh stub: one that has met a reset object stays broken.
 * P2. A call whose object was away is made again as the rule of `object_unavailable` says, if a repeat of it is harmless: it
 *     may have been carried out, and only its answer lost. Nothing else is repeated, an overloaded object's call least of all.
 * P3. Whether a repeat is harmless is declared for every method, so that a new one can't be forgotten.
 */

import { faults } from "./errors/faults.ts";
import { platformFaultOf } from "./errors/platform.ts";
import type { DeploymentGateRpc } from "./objects/gate-rpc.ts";
import type { Idem, RunSchedulerRpc, TenantGateRpc } from "./objects/rpc.ts";
import type { SeatRpc } from "./objects/seat-rpc.ts";

/** Of each method: whether a repeat of a call with these arguments is harmless. */
export type Repeats<Rpc> = {
  readonly [Method in keyof Rpc]: Rpc[Method] extends (...args: infer Args) => unknown
    ? boolean | ((...args: Args) => boolean)
    : never;
};

/** A stub whose calls follow P1 and P2. */
export function persistent<Rpc extends object>(fresh: () => Rpc, repeats: Repeats<Rpc>): Rpc {
  return new Proxy({} as Rpc, {
    get(_, method) {
      const rule = (repeats as Record<PropertyKey, boolean | ((...args: unknown[]) => boolean) | undefined>)[method];
      // No method of an object; `then`, above all, by which an `await` asks whether it is a promise.
      if (rule === undefined) return undefined;
      return (...args: unknown[]) => {
        const send = () =>
          (fresh() as Record<PropertyKey, (...given: unknown[]) => Promise<unknown>>)[method]!(...args);
        return (typeof rule === "function" ? rule(...args) : rule) ? persistently(send) : send();
      };
    },
  });
}

async function persistently<T>(send: () => Promise<T>): Promise<T> {
  const { tries, waitMs } = faults.object_unavailable.retry;
  for (let tried = 1; ; tried++) {
    try {
      return await send();
    } catch (error) {
      if (tried >= tries || platformFaultOf(error) !== "object_unavailable") throw error;
      await new Promise((resolve) => setTimeout(resolve, waitMs * tried));
    }
  }
}

/** An Idempotency-Key in the last place makes a repeat of a write the same write. */
const named = (...args: readonly unknown[]): boolean => isIdem(args.at(-1));
const isIdem = (value: unknown): value is Idem => typeof value === "object" && value !== null && "fingerprint" in value;

export const runRepeats: Repeats<RunSchedulerRpc & SeatRpc> = {
  createRun: named,
  run: true,
  pause: named,
  resume: named,
  cancelRun: named,
  finishRun: named,
  budget: named,
  retainRun: true,
  setRules: true,
  setWebhook: true,
  removeWebhook: true,
  webhook: true,
  webhookUrl: true,
  deliveries: true,
  // What was delivered meanwhile would be once more.
  replayDeliveries: named,
  holdToTenant: true,
  // Answers `not_found` where the first was carried out; its caller takes that for done.
  deleteRun: true,
  exportPage: true,
  // Lines that it has are skipped.
  importLines: true,
  // The same base and messages are the same snapshot.
  appendContext: true,
  snapshot: true,
  createTasks: named,
  tasks: true,
  task: true,
  taskContext: true,
  cancelTask: named,
  sendMessage: named,
  retryTask: (_task, _fromTurn, idem) => isIdem(idem),
  turns: true,
  contextAt: true,
  createdBefore: true,
  wait: true,
  // A call is known by its id.
  callTool: ({ callId }, idem) => callId !== undefined || isIdem(idem),
  questions: true,
  answer: named,
  openActor: named,
  actors: true,
  actor: true,
  renewActor: true,
  closeActor: false,
  findings: true,
  variables: true,
  variable: true,
  events: true,
  logPage: true,
  meter: true,
  // Without a key, leases that were granted and not heard of have to expire.
  leases: named,
  leaseAgain: true,
  renew: true,
  turn: named,
  leaseTool: (_lease, { callId }, idem) => callId !== undefined || isIdem(idem),
  complete: named,
  fail: named,
  sweep: true,
  expire: true,

  // Known by their nonces.
  deadSeats: true,
  // Its name opens it once: the first task may have been in the answer that was lost. It says that it broke.
  openSeat: false,
  seatBroke: true,
  openTrace: true,
  // Where it was the last one, the answer to a repeat is to stop.
  reportTrace: true,
  openWebhook: true,
  // Noted twice an attempt counts twice: harmless, and rare.
  reportWebhook: true,
  renewSeat: true,
  partialText: false,
  // Logged twice it would be two turns. The seat breaks, says so, and its task goes on from the last one that was logged.
  seatTurn: false,
  seatCalls: true,
  reserve: true,
  firstToken: true,
  // A second end is refused by the fence.
  leaveSeat: true,
  endUrlCall: true,
};

export const gateRepeats: Repeats<TenantGateRpc> = {
  announce: true,
  lease: named,
  leave: true,
  pool: true,
  forget: true,
  report: true,
  quotasChanged: true,
  used: true,
  deleteAll: true,
};

export const deploymentRepeats: Repeats<DeploymentGateRpc> = { report: true };
