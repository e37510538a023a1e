/** W5: two callers that answer each other over two message queues; and adds on one variable and on a hundred. */

import type { Outcome } from "../lib/measure.ts";
import { mean, percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const floorHops = 400;
/** A push and a pop. */
const callsPerHop = 2;

async function pingPong({ server, quick }: Bench): Promise<Outcome[]> {
  const messages = quick ? 40 : 500;
  const { id } = await server.heddle.createRun({});
  await server.floor(floorHops);
  const floor = mean(await server.floor(floorHops));
  const start = performance.now();
  const hops = await server.pingPong(id, messages);
  // The runtime's clock shows whole milliseconds: the mean is the client's.
  const hop = (performance.now() - start) / messages;
  const measures = [
    { name: "hop, mean", value: hop, unit: "ms", peer: 0.55 },
    { name: "hop ÷ its calls as committed RPCs", value: hop / (callsPerHop * floor), unit: "×" },
    { name: "one committed RPC, mean", value: floor, unit: "ms" },
    ...[50, 95].map((p) => ({ name: `hop, p${p}, in whole ms`, value: percentile(hops, p), unit: "ms" })),
  ];
  return [{ workload: `W5 ping-pong of ${messages}`, measures, details: { hops } }];
}

async function adds({ server, quick }: Bench): Promise<Outcome[]> {
  const callers = 16;
  const each = quick ? 10 : 200;
  const outcomes: Outcome[] = [];
  let one: number | undefined;
  for (const variables of [1, 100]) {
    const { id } = await server.heddle.createRun({});
    // Their objects are made before the clock runs.
    await server.add(id, { callers: 1, each: variables, variables });
    const start = performance.now();
    const sum = await server.add(id, { callers, each, variables });
    const perSecond = (1000 * callers * each) / (performance.now() - start);
    if (sum !== callers * each + variables) throw new Error(`the atomics hold ${sum} after ${callers * each} adds`);
    one ??= perSecond;
    const measures = [
      { name: "ops a second", value: perSecond, unit: "/s" },
      ...(variables > 1 ? [{ name: "÷ those on one", value: perSecond / one, unit: "×" }] : []),
    ];
    outcomes.push({ workload: `adds on ${variables} atomics, ${callers} callers`, measures, details: {} });
  }
  return outcomes;
}

export const channels: readonly Workload[] = [
  { name: "W5.ping-pong", run: pingPong },
  { name: "variables.adds", run: adds },
];
