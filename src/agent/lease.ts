/** The lease of what a seat is at. */

import { renewEveryMs } from "../limits.ts";
import type { LeaseRef } from "../objects/rpc.ts";
import type { SeatRpc } from "../objects/seat-rpc.ts";

/** The lease alone: work is passed with its context in it, and what an RPC is given travels whole. */
export const leaseOf = ({ taskNumber, fence }: LeaseRef): LeaseRef => ({ taskNumber, fence });

/** Renews a lease until `stop`. `lost` aborts when the run says that it is; a run that can't be reached says nothing. */
export function keepLease(
  scheduler: () => Pick<SeatRpc, "renewSeat">,
  lease: LeaseRef,
  told: (answer: { readonly watched: boolean }) => void = () => {},
): { readonly lost: AbortSignal; readonly stop: () => void } {
  const lost = new AbortController();
  const renewal = setInterval(async () => {
    const answer = await scheduler()
      .renewSeat(lease)
      .catch(() => undefined);
    if (!answer) return;
    if (!answer.held) lost.abort(new Error("lease lost"));
    told(answer);
  }, renewEveryMs);
  return { lost: lost.signal, stop: () => clearInterval(renewal) };
}
