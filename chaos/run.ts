/** A chaos run: a real server under load that is killed again and again, and what the checker has to say of it. */

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { LocalServer } from "../test/e2e/lib/server.ts";
import { Random } from "../test/sim/random.ts";
import { check } from "./check/check.ts";
import type { Violation } from "./check/violation.ts";
import { Client, type Surroundings, sleep } from "./client.ts";
import { findAll } from "./find.ts";
import { findTenants } from "./find-tenants.ts";
import { History, type World } from "./history.ts";
import { allTold } from "./load/all-told.ts";
import { bookkeeper, closeBooks } from "./load/bookkeeper.ts";
import { landlord } from "./load/landlord.ts";
import { Puller } from "./load/puller.ts";
import { startReceiver } from "./load/receiver.ts";
import { type BatchKind, batchWeights } from "./load/script.ts";
import { startStamper } from "./load/stamper.ts";
import { user } from "./load/user.ts";
import { deedsIn, Worker } from "./load/worker.ts";
import { type Outage, outagesOf } from "./plan.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly kills: number;
  /** How long the server serves under load, all its lives together, ms. */
  readonly spanMs: number;
  /** After the last restart everything has ended within this. */
  readonly settleMs: number;
  readonly users: number;
  readonly pullers: number;
  /** Processes of `heddle work`. */
  readonly workers: number;
  /** Operators with tenants that come and go; of those that a kill left half deleted the sweep of the minute is waited for. */
  readonly landlords: number;
  /** Whether workers die too; what they held waits for its lease to expire. */
  readonly workersDie: boolean;
  /** The tree of another version, whose server serves the first half of the lives: so what it left is gone on with. */
  readonly from?: string;
  /** The history, line by line. */
  readonly historyPath: string;
  readonly say: (line: string) => void;
  /** Ends it early: the server is stopped, and there is no outcome. */
  readonly signal?: AbortSignal;
}

export interface ChaosOutcome {
  readonly world: World;
  readonly violations: readonly Violation[];
  readonly outages: readonly Outage[];
  /** From the last restart until all users were done. */
  readonly settledMs: number;
  readonly wallMs: number;
}

export async function chaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const { seed, say } = options;
  const began = Date.now();
  const history = new History(options.historyPath);
  const stopping = new AbortController();
  const over = new AbortController();
  options.signal?.addEventListener("abort", () => over.abort());
  const outages = outagesOf(options);
  const random = new Random(seed + 1);
  const server = await LocalServer.start({}, options.from);
  const opened: { stop(): Promise<unknown> }[] = [server];
  try {
    options.signal?.throwIfAborted();
    const { secret } = await server.heddle.signingSecret();
    const receiver = await startReceiver(history, seed + 2, secret);
    const stamper = await startStamper(history, seed + 3, secret);
    opened.push(receiver, stamper);
    const around: Surroundings = {
      ...{ url: server.url, seed, history, stopping: stopping.signal, over: over.signal },
      ...{ webhook: receiver.url, endpoint: stamper.url, cutShare: 0.05, againShare: 0.1, later: [] },
    };
    const pullers = Array.from({ length: options.pullers }, (_, i) => new Puller(around, `p${i}`));
    const deedsPath = join(dirname(options.historyPath), "deeds.jsonl");
    writeFileSync(deedsPath, "");
    const workers = Array.from(
      { length: options.workers },
      (_, i) => new Worker(around, `w${i}`, { deedsPath, dies: options.workersDie }),
    );
    opened.push(...workers);
    const letting = Promise.all(Array.from({ length: options.landlords }, (_, i) => landlord(around, `l${i}`)));
    const books = bookkeeper(new Client(around, "books"));
    const repeats: Promise<void>[] = [];
    const users = Promise.all(
      Array.from({ length: options.users }, (_, i) => user(around, `u${i}`, shareOf(i, options.users))),
    );
    // A fault of the load itself ends the run early; it is thrown below.
    users.catch(() => over.abort());
    for (const [i, outage] of outages.entries()) {
      await sleep(outage.afterMs, over.signal);
      if (over.signal.aborted) break;
      history.note(`${outage.how} ${i + 1}`);
      say(`${i + 1} of ${outages.length}: ${outage.how} after ${outage.afterMs} ms`);
      await end(server, outage, random);
      if (options.workersDie && outage.worker !== undefined && pullers.length > 0)
        pullers[outage.worker % pullers.length]!.die();
      await wait(outage.awayMs);
      await server.start(i + 1 < outages.length / 2 ? options.from : undefined);
      repeats.push(...around.later.splice(0).map((repeat) => repeat()));
    }
    stopping.abort();
    const restarted = Date.now();
    const late = setTimeout(() => over.abort(), options.settleMs);
    await Promise.all([users, letting, ...repeats]);
    clearTimeout(late);
    options.signal?.throwIfAborted();
    const settledMs = Date.now() - restarted;
    over.abort();
    await Promise.all([books, ...[...pullers, ...workers].map(({ done }) => done)]);
    say(`settled after ${settledMs} ms; reading what is there`);
    // A reader whose time is not over.
    const reading: Surroundings = { ...around, over: AbortSignal.timeout(300_000), cutShare: 0, againShare: 0 };
    const reader = new Client(reading, "reader");
    receiver.isWell = true;
    await allTold(reader);
    const { found, listed } = await findAll(reader);
    const tenants = await findTenants(reading);
    await closeBooks(reader);
    const { calls, seen, followed, received, stamped, lives, copied, deleted, used } = history;
    const world: World = {
      ...{ calls, seen, followed, received, stamped, lives, copied, deleted, used, found, tenants, listed },
      deeds: deedsIn(deedsPath),
    };
    return { world, violations: check(world), outages, settledMs, wallMs: Date.now() - began };
  } finally {
    stopping.abort();
    over.abort();
    for (const one of opened) await one.stop();
  }
}

/** The kinds of batches that one of the users posts in any case. */
const shareOf = (i: number, users: number): BatchKind[] =>
  (Object.keys(batchWeights) as BatchKind[]).filter((_, n) => n % users === i);

/** Only processes of this server are ended, by the pids that its own record names. */
async function end(server: LocalServer, { how, betweenMs }: Outage, random: Random): Promise<void> {
  if (how === "replaced") {
    await server.interrupt();
    return;
  }
  const pid = how === "torn" ? random.pick(server.processes())?.pid : undefined;
  await server.kill(pid === undefined ? undefined : { pid, beforeMs: betweenMs });
}
