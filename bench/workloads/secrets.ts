/**
 * Whether the time of a refusal tells how near a guess was: guesses that are wrong in their first character and in their last, in random
 * turns, and Welch's t of their times (as dudect does; Reparaz, Balasch and Verbauwhede 2017).
 */

import { most, type Outcome } from "../lib/measure.ts";
import { localOperatorSecret } from "../lib/server.ts";
import { mean, percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

/** Beyond it two samples of this size are of two kinds. */
const tMost = 4.5;
/** The slowest are other programs' doing. */
const keptPercent = 90;

interface Door {
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly secret: string;
  /** Where the secret part begins. */
  readonly from: number;
  readonly as: (guess: string) => { readonly path: string; readonly bearer: string };
}

const otherThan = (char: string): string => (char === "A" ? "B" : "A");
const wrongAt = (secret: string, at: number): string =>
  secret.slice(0, at) + otherThan(secret[at]!) + secret.slice(at + 1);

async function doorsOf({ server }: Bench): Promise<Door[]> {
  const key = await server.newKey("secrets");
  const { heddle } = server;
  const { id } = await heddle.createRun({ limits: { pools: ["hosted", "secrets"] } });
  await heddle.createTasks(id, { tasks: [{ instructions: "be leased", pool: "secrets" }] });
  const [leased] = await heddle.lease("secrets", { worker: "bench", wait_ms: 10_000 });
  const lease = leased!.id;
  const bearer = (path: string) => (guess: string) => ({ path, bearer: guess });
  return [
    { name: "key", method: "GET", secret: key, from: "hdl_".length, as: bearer("/v1/runs") },
    {
      ...{ name: "operator's secret", method: "GET", secret: localOperatorSecret, from: 0 },
      as: bearer("/admin/tenants"),
    },
    {
      ...{ name: "lease's signature", method: "POST", secret: lease, from: lease.indexOf(".") + 1 },
      as: (guess) => ({ path: `/v1/leases/${guess}/renew`, bearer: guess }),
    },
  ];
}

async function refusedIn(url: string, method: string, { path, bearer }: ReturnType<Door["as"]>): Promise<number> {
  const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
  const start = performance.now();
  const reply = await fetch(url + path, { method, headers, ...(method === "POST" && { body: "{}" }) });
  await reply.arrayBuffer();
  const took = performance.now() - start;
  if (reply.status !== 401 && reply.status !== 409) throw new Error(`a wrong secret was answered ${reply.status}`);
  return took;
}

async function check(bench: Bench): Promise<Outcome[]> {
  const each = bench.quick ? 30 : 1500;
  const outcomes: Outcome[] = [];
  for (const door of await doorsOf(bench)) {
    const guesses = [wrongAt(door.secret, door.from), wrongAt(door.secret, door.secret.length - 2)].map(door.as);
    const samples: [number[], number[]] = [[], []];
    for (let i = 0; i < 2 * each; i++) {
      const which = Math.random() < 0.5 ? 0 : 1;
      samples[which].push(await refusedIn(bench.server.url, door.method, guesses[which]!));
    }
    // One bound for both, or what is cut would differ.
    const bound = percentile(samples.flat(), keptPercent);
    const [first, last] = samples.map((sample) => sample.filter((ms) => ms <= bound)) as [number[], number[]];
    outcomes.push({
      workload: `secrets: a wrong ${door.name}, ${2 * each} times`,
      measures: [
        {
          name: "Welch's t of the two, either way",
          value: Math.abs(welchT(first, last)),
          unit: "",
          target: most(tMost),
        },
        { name: "mean time, wrong first ÷ wrong last", value: mean(first) / mean(last), unit: "" },
      ],
      details: { firstMs: mean(first), lastMs: mean(last), boundMs: bound },
    });
  }
  return outcomes;
}

function welchT(one: readonly number[], other: readonly number[]): number {
  const [a, b] = [mean(one), mean(other)];
  const part = (sample: readonly number[], middle: number) =>
    sample.reduce((sum, ms) => sum + (ms - middle) ** 2, 0) / (sample.length - 1) / sample.length;
  return (a - b) / Math.sqrt(part(one, a) + part(other, b));
}

export const secretChecks: readonly Workload[] = [{ name: "secrets", run: check }];
