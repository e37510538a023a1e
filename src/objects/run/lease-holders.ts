/** Commands by whoever holds an open lease, a task's or a tool call's. */

import { noteLate } from "../../scheduler/late.ts";
import type { RunState } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Idem, LeaseRef, Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { leaseLost } from "./replies.ts";
import type { RunShell } from "./shell.ts";

export interface Held<Leased> {
  readonly lease: LeaseRef;
  /** What is told of one that comes too late. */
  readonly op: string;
  readonly idem: Idem | undefined;
  /** What is leased; undefined: it is lost. */
  readonly find: (state: RunState) => Leased | undefined;
}

/** The first answer to a repeated key is given even when it ended the lease. A lease that is lost changes nothing but the log. */
export async function byHolder<Leased, T>(
  shell: RunShell,
  { lease, op, idem, find }: Held<Leased>,
  decide: (step: Step, run: LoadedRun, leased: Leased) => Reply<T>,
): Promise<Reply<T>> {
  const reply = await shell.together<T>((step, run) => {
    const leased = find(run.state);
    if (leased) return decide(step, run, leased);
    noteLate(step, lease, op);
    return leaseLost;
  }, idem);
  // A deleted run has no leases: the lease is gone like any other.
  return !reply.ok && reply.fault.code === "not_found" && !shell.load() ? leaseLost : reply;
}
