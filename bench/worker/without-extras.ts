/** For the ratio on/off of what workers tell beyond their work: how long a model call took, its first token, texts under way. */

import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";
import type { SeatRpc, SeatTurn } from "../../src/objects/seat-rpc.ts";

type RunObject = RunSchedulerRpc & SeatRpc;

/** Of this isolate, which all seats of a local server share. */
export const extras = { areOn: true };

/** A run's object as a seat sees it: while `extras` are off nothing of them is sent. */
export function maybeWithoutExtras(object: RunObject): RunObject {
  if (extras.areOn) return object;
  const plain: Partial<RunObject> = {
    seatTurn: (lease, { took: _, ...turn }: SeatTurn, next) => object.seatTurn(lease, turn, next),
    partialText: async () => ({ watched: false }),
    firstToken: async () => undefined,
  };
  return new Proxy(object, { get: (target, name) => Reflect.get(name in plain ? plain : target, name) });
}
