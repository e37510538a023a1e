/** The worker that holds a lease, and the object that its calls go to. */

import { Fault } from "../errors/fault.ts";
import { faults } from "../errors/faults.ts";
import type { LeaseRef, Reply, RunSchedulerRpc } from "../objects/rpc.ts";
import type { HttpEnv } from "./env.ts";
import { type LeaseClaim, verifyLease } from "./lease-token.ts";
import { ask, runObject } from "./objects.ts";
import { deploymentSecret } from "./secrets.ts";

export interface LeaseHolder {
  readonly claim: LeaseClaim;
  readonly lease: LeaseRef;
  readonly object: RunSchedulerRpc;
  /** As `ask`; a run that is gone has taken its leases with it. */
  readonly ask: <T>(call: Promise<Reply<T>>) => Promise<T>;
  /**
   * Does `work`; if it fails and the lease is lost, that is the failure: a worker must hear it whatever else is wrong. But for a failure
   * that took the lease with it: it says more.
   */
  readonly lostFirst: <T>(work: () => Promise<T>) => Promise<T>;
}

const endsLease: ReadonlySet<string> = new Set(["lease_lost", faults.max_tokens.problem]);

/** @throws Fault lease_lost for a token that this deployment has not signed */
export async function heldLease(env: HttpEnv, token: string): Promise<LeaseHolder> {
  const claim = await verifyLease(deploymentSecret(env), token);
  const { taskNumber, fence, call } = claim;
  const lease: LeaseRef = { taskNumber, fence, ...(call !== undefined && { call }) };
  const object = runObject(env, claim.tenant, claim.run);
  const askHere = async <T>(call: Promise<Reply<T>>): Promise<T> => {
    try {
      return await ask(call);
    } catch (error) {
      if (error instanceof Fault && error.data.code === "not_found") throw new Fault("lease_lost", "the run is gone");
      throw error;
    }
  };
  return {
    claim,
    lease,
    object,
    ask: askHere,
    lostFirst: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof Fault && !endsLease.has(error.data.code)) await askHere(object.leaseAgain(lease));
        throw error;
      }
    },
  };
}
