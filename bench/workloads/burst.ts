/** More creations at once than a run has room for: what is still acknowledged, and what a refusal costs. */

import { type ClientRequest, request } from "node:http";
import { shares } from "../../src/admission.ts";
import { runWorkMax } from "../../src/limits.ts";
import { least, most, type Outcome } from "../lib/measure.ts";
import type { Bench, Workload } from "./workload.ts";

const key = "hdl_local";
const room = runWorkMax * shares.create.work;
/** What is left of the room: as many at once are served without a refusal. */
const calm = 16;
const flood = 10 * calm;

const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const body = JSON.stringify({ tasks: [{ instructions: "timer 0" }] });

async function create(url: string, run: string): Promise<boolean> {
  const response = await fetch(`${url}/v1/runs/${run}/tasks`, { method: "POST", headers, body });
  await response.arrayBuffer();
  if (response.status !== 201 && response.status !== 503) throw new Error(`answered ${response.status}`);
  return response.status === 201;
}

/** A run that starts nothing, so that what is measured is its intake. */
async function pausedRun({ heddle }: Bench["server"], tasks: number): Promise<string> {
  const { id } = await heddle.createRun({ limits: { tasks } });
  await heddle.pauseRun(id);
  return id;
}

/** `count` attempts, `atOnce` at a time; what was acknowledged, in what time. */
async function attempts(url: string, run: string, count: number, atOnce: number) {
  let left = count;
  let acknowledged = 0;
  const start = performance.now();
  const lane = async () => {
    while (left-- > 0) if (await create(url, run)) acknowledged++;
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return { acknowledged, refused: count - acknowledged, ms: performance.now() - start };
}

/** Requests whose last byte is kept back take all the room for new work. */
async function fill(url: string, run: string): Promise<{ held: ClientRequest[]; probes: number }> {
  const held = Array.from({ length: room }, () => {
    const more = { ...headers, "content-length": String(body.length) };
    const sent = request(`${url}/v1/runs/${run}/tasks`, { method: "POST", headers: more });
    sent.on("error", () => undefined);
    sent.write(body.slice(0, -1));
    return sent;
  });
  for (let probes = 0; probes < 10 * room; probes++) if (!(await create(url, run))) return { held, probes };
  throw new Error("the run never had too much to do");
}

/** Sends the last byte, and reads the answer. */
const finish = (sent: ClientRequest): Promise<void> =>
  new Promise((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (response) => response.resume().on("end", resolve));
    sent.end(body.slice(-1));
  });

async function burst({ server, quick }: Bench): Promise<Outcome[]> {
  const { url } = server;
  const count = quick ? 800 : 5000;
  const run = await pausedRun(server, 4 * count);
  await attempts(url, run, calm, calm);
  const { held, probes } = await fill(url, run);
  const refused = await attempts(url, run, room, 1);
  if (refused.acknowledged > 0) throw new Error("a full run let in new work");
  for (const one of held.splice(0, calm)) await finish(one);
  const accepted = await attempts(url, run, room, 1);
  const before = await attempts(url, run, count, calm);
  const during = await attempts(url, run, count, flood);
  for (const one of held) await finish(one);
  const { counts } = await server.heddle.run(run);
  const there = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const told = calm + probes + room + accepted.acknowledged + before.acknowledged + during.acknowledged;
  if (there !== told) throw new Error(`${there} tasks, and ${told} were acknowledged`);

  const rate = (of: { acknowledged: number; ms: number }) => of.acknowledged / of.ms;
  return [
    {
      workload: `burst, ${flood} creations at once where ${calm} find room`,
      measures: [
        {
          name: "acknowledged a second, ÷ with as many as find room",
          value: rate(during) / rate(before),
          unit: "",
          target: least(0.5),
        },
        { name: "refused in the burst", value: during.refused / count, unit: "" },
        { name: "time of a refusal ÷ of a creation", value: refused.ms / accepted.ms, unit: "", target: most(1) },
      ],
      details: { before, during, accepted, refused },
    },
  ];
}

export const bursts: readonly Workload[] = [{ name: "burst", run: burst }];
