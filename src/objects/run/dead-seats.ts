/**
 * Dead letters of a run's seats: tickets that a queue gave up on, because no consumer lived to acknowledge them.
 *
 * Y1. Each nonce counts once, however often its letter comes, and is told of in one finding.
 * Y2. The first is told of at once, and those that follow together, once in `deadLettersToldEveryMs`: a consumer that is broken makes one
 *     for each seat every few seconds. The sweep tells of the last ones.
 * Y3. A seat that died is late at once, and sent again where it is still needed. A run that has ended needs none, and is told nothing.
 */

import { faults } from "../../errors/faults.ts";
import { deadLettersRemembered, deadLettersToldEveryMs, seatRetriesMax } from "../../limits.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { ok } from "./replies.ts";
import type { RunShell } from "./shell.ts";

interface Dead {
  /** The newest. */
  readonly nonces: readonly string[];
  readonly untold: number;
  readonly toldAt: number;
}

const metaName = "dead_seats";
const deadOf = (run: LoadedRun): Dead | undefined => {
  const text = run.store.meta(metaName);
  return text === undefined ? undefined : (JSON.parse(text) as Dead);
};

export function deadSeats(shell: RunShell, nonces: readonly string[]): Reply<null> {
  return shell.command((step, run) => {
    if (isRunEnded(step.state)) return ok(null);
    const dead = deadOf(run) ?? { nonces: [], untold: 0, toldAt: 0 };
    const known = new Set(dead.nonces);
    const fresh = [...new Set(nonces)].filter((nonce) => !known.has(nonce));
    if (fresh.length === 0) return ok(null);
    for (const nonce of fresh) shell.seats.lost(nonce);
    console.error(faults.seat_undelivered.log, { run: run.id, count: fresh.length });
    const all = [...dead.nonces, ...fresh].slice(-deadLettersRemembered);
    tell(step, run, { ...dead, nonces: all, untold: dead.untold + fresh.length });
    return ok(null);
  });
}

/** Y2: of those that waited for it. */
export function tellOfDeadSeats(step: Step, run: LoadedRun): void {
  const dead = isRunEnded(step.state) ? undefined : deadOf(run);
  if (dead && dead.untold > 0 && dead.toldAt + deadLettersToldEveryMs <= step.now) tell(step, run, dead);
}

/** Keeps `dead`, and tells of it when it is time. */
function tell(step: Step, run: LoadedRun, dead: Dead): void {
  const isTime = dead.toldAt + deadLettersToldEveryMs <= step.now;
  run.store.setMeta(metaName, JSON.stringify(isTime ? { ...dead, untold: 0, toldAt: step.now } : dead));
  if (!isTime) return;
  const seats = dead.untold === 1 ? "1 seat of this run was" : `${dead.untold} seats of this run were`;
  const message = `${seats} sent ${seatRetriesMax + 1} times through a queue, and no consumer lived to serve it. What they were for waited, and is sent again where it is still needed. The Worker's metrics (errors by invocation status) and \`wrangler tail\` say what ended them: memory, CPU time, or a version that fails as it starts.`;
  step.emit({ type: "finding", kind: faults.seat_undelivered.finding, severity: "warning", subjects: [], message });
}
