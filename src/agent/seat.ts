/**
 * A seat: one slot of worker capacity in a queue consumer (or, locally, in a direct call). Takes tasks of its run one after
 * another, until there is none or its time is over; then the run opens another.
 */

import { platformFaultOf } from "../errors/platform.ts";
import { seatLastsMs, seatServesMs } from "../limits.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import type { NextTask, SeatReply, SeatRpc, SeatTicket, SeatWork } from "../objects/seat-rpc.ts";
import type { ProviderSecrets } from "../served-by.ts";
import { type CredentialSecrets, credentialProvider } from "./credentials.ts";
import { callModel } from "./models/index.ts";
import { providerFor } from "./providers.ts";
import { SnapshotCache } from "./snapshot-cache.ts";
import { runAttempt, type TurnLoopPorts } from "./turn-loop.ts";
import { carryOutUrlCall } from "./url-call.ts";

export interface SeatSecrets extends ProviderSecrets, CredentialSecrets {
  readonly HEDDLE_SECRET?: string;
}

/** Shared by all seats of an isolate: contexts travel once. */
const isolateCache = new SnapshotCache();

/** The body of an attempt; a port so that a benchmark can put a timer in the agent's place. */
export type RunAttempt = (work: SeatWork, ports: TurnLoopPorts) => Promise<SeatReply>;

export interface SeatOptions {
  readonly attempt?: RunAttempt;
  readonly cache?: SnapshotCache;
  /** A queue's consumer serves it, which ends after a while whatever is under way. */
  readonly byQueue?: boolean;
}

/** Serves one ticket to the end. @throws when the run's object can't be reached: what the seat had goes on in others, at the latest when its leases are over */
export async function serveSeat(
  ticket: SeatTicket,
  scheduler: () => RunSchedulerRpc & SeatRpc,
  secrets: SeatSecrets,
  options: SeatOptions = {},
): Promise<void> {
  try {
    await serve(ticket, scheduler, secrets, options);
  } catch (error) {
    // Of other errors the leases are the backoff: where the object has too much to do, and where it is the task that breaks its seats.
    if (platformFaultOf(error) === "object_unavailable") {
      await scheduler()
        .seatBroke(ticket.nonce)
        .catch(() => undefined);
    }
    throw error;
  }
}

async function serve(
  ticket: SeatTicket,
  scheduler: () => RunSchedulerRpc & SeatRpc,
  secrets: SeatSecrets,
  { attempt = runAttempt, cache = isolateCache, byQueue = false }: SeatOptions,
): Promise<void> {
  const beganAt = Date.now();
  const endsAt = beganAt + seatServesMs;
  const isOver = () => Date.now() >= endsAt;
  const nextTask = (): NextTask => ({ nonce: ticket.nonce, have: cache.have(ticket.run) });
  const ports: TurnLoopPorts = {
    scheduler,
    run: ticket.run,
    cache,
    callModel,
    providerFor: async (format, credential) =>
      credential ? credentialProvider(secrets, ticket.tenant, credential, format) : providerFor(format, secrets),
    next: () => (isOver() ? undefined : nextTask()),
    isOver,
    ...(byQueue && { lastsUntil: beganAt + seatLastsMs }),
  };
  let work = await scheduler().openSeat(ticket, nextTask());
  while (work) {
    const reply: SeatReply =
      "url" in work
        ? await carryOutUrlCall(work, {
            scheduler,
            tenant: ticket.tenant,
            secret: secrets.HEDDLE_SECRET,
            secrets,
            local: secrets.HEDDLE_BOOT !== undefined,
            next: ports.next,
          })
        : await attempt(work, ports);
    work = reply.kind === "over" ? reply.work : undefined;
  }
}
