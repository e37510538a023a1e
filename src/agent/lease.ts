import type { LeaseRef } from "../objects/rpc.ts";

/** The lease alone: work is passed with its context in it, and what an RPC is given travels whole. */
export const leaseOf = ({ taskNumber, fence }: LeaseRef): LeaseRef => ({ taskNumber, fence });
