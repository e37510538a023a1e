/**
 * A pull worker for timer tasks: `lanes` bodies at once, and leases for as many again in hand and on their way, so that no
 * lane waits for the network: leases come in batches first and with each result then, and results are sent while the next
 * bodies run.
 */

import { type Heddle, isProblem, type Lease } from "../../src/client/index.ts";
import { filledResult } from "./filled-result.ts";

export interface PullWork {
  readonly heddle: Heddle;
  readonly pool: string;
  readonly worker: string;
  readonly lanes: number;
  /** After each body, before its result is sent. */
  readonly ended?: (id: string) => Promise<unknown>;
}

const leaseWaitMs = 2000;
/** Before it asks a server again that did not answer. */
const awayMs = 50;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Works until the returned function is called, which resolves when nothing is in hand any more. */
export function pullWork({ heddle, pool, worker, lanes, ended }: PullWork): () => Promise<void> {
  const inHand: Lease[] = [];
  const busy = new Set<Promise<void>>();
  let running = 0;
  let sending = 0;
  let isAsking = false;
  let isOver = false;

  const track = (work: Promise<void>) => {
    busy.add(work);
    void work.finally(() => busy.delete(work));
  };
  const pump = () => {
    while (running < lanes && inHand.length > 0) track(carryOut(inHand.shift()!));
    if (!isAsking && !isOver && running + inHand.length + sending <= 2 * lanes) track(ask());
  };
  const ask = async () => {
    isAsking = true;
    try {
      inHand.push(...(await heddle.lease(pool, { worker, max: lanes, wait_ms: leaseWaitMs })));
    } catch {
      await sleep(awayMs);
    }
    isAsking = false;
    pump();
  };
  const carryOut = async ({ id: lease, task }: Lease) => {
    running++;
    const [, ms, id] = task.instructions.split(" ") as [string, string, string];
    const t0 = Date.now();
    await sleep(Number(ms));
    running--;
    sending++;
    pump();
    await ended?.(id);
    try {
      const result = filledResult(Number(id), t0, Date.now());
      const { lease: next } = await heddle.complete(lease, { result, worker, next: !isOver });
      if (next) inHand.push(next);
    } catch (error) {
      // A lost lease is somebody else's task by now.
      if (!isProblem(error, "lease_lost")) throw error;
    } finally {
      sending--;
      pump();
    }
  };

  pump();
  return async () => {
    isOver = true;
    while (busy.size > 0) await Promise.all(busy);
  };
}
