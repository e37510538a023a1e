/**
 * W4: 64 callers take one lock, 20 rounds each, and count under it: read, write, release. Once by RPC, as callers inside the
 * platform are, and once over HTTP, whose local server alone takes most of the time.
 */

import type { Measure, Outcome } from "../lib/measure.ts";
import { mean, percentile } from "../lib/stats.ts";
import { openCallers, use } from "../lib/variables.ts";
import type { Bench, Workload } from "./workload.ts";

const floorHops = 400;
/** To acquire, read, write and release; the read and the write make one more each, of the variable's own object. */
const callsPerRound = 4;

async function inside({ server, quick }: Bench): Promise<Outcome[]> {
  const { callers, rounds } = sizes(quick);
  const { id } = await server.heddle.createRun({});
  await server.floor(floorHops);
  const floor = mean(await server.floor(floorHops));
  const start = performance.now();
  requireCount(await server.contend(id, callers, rounds), callers * rounds);
  const wallMs = performance.now() - start;
  const all = callers * rounds;
  const measures: Measure[] = [
    { name: "rounds a second", value: (1000 * all) / wallMs, unit: "/s", peer: 2257 },
    { name: "a round ÷ its calls as committed RPCs", value: wallMs / all / (callsPerRound * floor), unit: "×" },
    { name: "one committed RPC, mean", value: floor, unit: "ms" },
  ];
  return [{ workload: `W4 one lock, ${callers} callers × ${rounds}`, measures, details: { wallMs } }];
}

async function overHttp({ server, quick }: Bench): Promise<Outcome[]> {
  const { callers, rounds } = sizes(quick);
  const { heddle } = server;
  const { id } = await heddle.createRun({});
  const sessions = await openCallers(heddle, id, callers);
  const http = mean(await server.httpFloor(floorHops));
  const took: number[] = [];
  const start = performance.now();
  await Promise.all(
    sessions.map(async (caller) => {
      for (let round = 0; round < rounds; round++) {
        const from = performance.now();
        const { token } = await use(caller, "lock", { op: "acquire", name: "L" });
        const { value } = await use(caller, "shared_map", { op: "get", name: "counter", key: "n" });
        const fence = { lock: "L", token };
        const next = Number(value) + 1;
        await use(caller, "shared_map", { op: "set", name: "counter", key: "n", value: next, fence });
        await use(caller, "lock", { op: "release", name: "L" });
        took.push(performance.now() - from);
      }
    }),
  );
  const wallMs = performance.now() - start;
  const all = callers * rounds;
  const { value } = await use(sessions[0]!, "shared_map", { op: "get", name: "counter", key: "n" });
  requireCount(Number(value), all);
  const measures: Measure[] = [
    { name: "rounds a second", value: (1000 * all) / wallMs, unit: "/s" },
    { name: "a round ÷ four empty calls", value: wallMs / all / (callsPerRound * http), unit: "×" },
    { name: "one empty HTTP call, mean", value: http, unit: "ms" },
    ...[50, 95].map((p) => ({ name: `a caller's round, p${p}`, value: percentile(took, p), unit: "ms" })),
  ];
  return [{ workload: `W4 over HTTP, ${callers} callers × ${rounds}`, measures, details: { wallMs, took } }];
}

const sizes = (quick: boolean) => (quick ? { callers: 8, rounds: 4 } : { callers: 64, rounds: 20 });

function requireCount(counter: number, rounds: number): void {
  if (counter !== rounds) throw new Error(`the counter is ${counter} after ${rounds} rounds under the lock`);
}

export const lockContention: readonly Workload[] = [
  { name: "W4.lock", run: inside },
  { name: "W4.http", run: overHttp },
];
