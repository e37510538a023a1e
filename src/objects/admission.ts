/**
 * Admission of an object: each method's class stands in a table, and a call that finds no room is answered `overloaded` (or
 * `too_many_requests`, for long polls) before anything of it is done. The methods themselves know nothing of it.
 *
 * The platform has a queue before the object that its code does not see, and answers for itself when that grows too long; what
 * is counted here are calls that were begun and are not over: long polls, and those that wait for a commit or another object.
 * Sockets of watchers are no calls: they are counted where they are kept (run/watchers.ts).
 */

import { type Entry, type Full, Ledger, Place, type Priority, type Room, retryAfterOf } from "../admission.ts";
import type { FaultData } from "../errors/fault.ts";
import type { DeploymentGateRpc } from "./gate-rpc.ts";
import type { Reply, RunSchedulerRpc, TenantGateRpc } from "./rpc.ts";
import type { SeatRpc } from "./seat-rpc.ts";
import type { VariableRpc } from "./variable-rpc.ts";

/** Of each method, which class its calls are of; only of those that answer a Reply may some be refused. */
type Classes<Rpc> = {
  readonly [Method in keyof Rpc]: Rpc[Method] extends (...args: infer Args) => Promise<infer Answer>
    ? Answer extends Reply<unknown>
      ? Priority | ((...args: Args) => Entry)
      : "own"
    : never;
};

/** Puts a door before the methods of a class of objects. */
export function admitting<Rpc extends object>(
  { prototype }: { readonly prototype: Rpc },
  room: Room,
  classes: Classes<Rpc>,
): void {
  const ledgers = new WeakMap<object, Ledger>();
  const methods = prototype as Record<string, (this: object, ...args: unknown[]) => Promise<unknown>>;
  for (const [name, of] of Object.entries(classes as Record<string, Priority | ((...args: unknown[]) => Entry)>)) {
    const method = methods[name]!;
    methods[name] = async function (...args) {
      let ledger = ledgers.get(this);
      if (!ledger) {
        ledger = new Ledger(room);
        ledgers.set(this, ledger);
      }
      const now = Date.now();
      const place = new Place(typeof of === "function" ? of(...args) : { priority: of }, now);
      const full = place.enter(ledger, now);
      if (full) return { ok: false, fault: refusal(full) };
      try {
        return await method.apply(this, args);
      } finally {
        place.leave();
      }
    };
  }
}

function refusal(full: Full): FaultData {
  const retryAfterS = retryAfterOf(1, Math.random());
  return full === "wait"
    ? { code: "too_many_requests", detail: "Too many long polls wait here.", retryAfterS }
    : { code: "overloaded", detail: "Too many requests are under way here.", retryAfterS };
}

export const runClasses: Classes<RunSchedulerRpc & SeatRpc> = {
  createRun: "create",
  run: "read",
  pause: "steer",
  resume: "steer",
  cancelRun: "steer",
  finishRun: "steer",
  budget: "steer",
  retainRun: "steer",
  setRules: "steer",
  setWebhook: "steer",
  removeWebhook: "steer",
  webhook: "read",
  webhookUrl: "read",
  deliveries: "read",
  replayDeliveries: "steer",
  holdToTenant: "own",
  deleteRun: "steer",
  exportPage: "read",
  turns: "read",
  contextAt: "read",
  createdBefore: "read",
  importLines: "create",
  appendContext: "create",
  snapshot: "read",
  createTasks: "create",
  tasks: "read",
  task: "read",
  taskContext: "read",
  cancelTask: "steer",
  sendMessage: "create",
  retryTask: "create",
  wait: ({ timeoutMs }) => ({ priority: "poll", waits: timeoutMs > 0 }),
  callTool: ({ waitMs }) => ({ priority: "create", waits: waitMs > 0 }),
  questions: "read",
  answer: "steer",
  openActor: "create",
  actors: "read",
  actor: "read",
  renewActor: "report",
  closeActor: "report",
  findings: "read",
  variables: "read",
  variable: "read",
  events: ({ waitMs }) => (waitMs > 0 ? { priority: "poll", waits: true } : { priority: "read" }),
  logPage: "read",
  meter: "steer",
  leases: "take",
  leaseAgain: "report",
  renew: "report",
  turn: "report",
  leaseTool: (_lease, { waitMs }) => ({ priority: "report", waits: waitMs > 0 }),
  complete: "report",
  fail: "report",
  sweep: "own",
  expire: "own",

  deadSeats: "own",
  openSeat: "own",
  seatBroke: "own",
  openTrace: "own",
  reportTrace: "own",
  openWebhook: "own",
  reportWebhook: "own",
  renewSeat: "own",
  partialText: "own",
  seatTurn: "own",
  seatCalls: "own",
  reserve: "own",
  firstToken: "own",
  leaveSeat: "own",
  endUrlCall: "own",
};

export const gateClasses: Classes<TenantGateRpc> = {
  announce: "own",
  forget: "own",
  report: "own",
  quotasChanged: "own",
  used: "own",
  deleteAll: "own",
  lease: ({ waitMs }) => ({ priority: "take", waits: waitMs > 0 }),
  leave: "own",
  pool: "read",
};

export const deploymentClasses: Classes<DeploymentGateRpc> = { report: "own" };

export const variableClasses: Classes<VariableRpc> = {
  // A task's op is a part of its turn; how many there are at once, `limits.workers` says.
  carryOut: ({ id }) => ({ priority: id.task ? "own" : "create" }),
  firstAnswer: "read",
  look: "own",
  exportPart: "own",
  importContents: "own",
  sealImport: "own",
  deleteAll: "own",
};
