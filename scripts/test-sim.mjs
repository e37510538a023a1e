// `npm run test:sim`: worlds of the whole system (test/sim/system), each from a seed.
//   --seeds 2000   that many, from --from on (1), on all processors
//   --seed 7       one again, with everything that happens in it

import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import "../test/sim/system/register.mjs";

const linesShown = 25;
const number = { type: "string" };
const options = { seeds: number, from: number, seed: number, every: number };
const values = asGiven();
const asked = (name, otherwise) => {
  const value = Number(values[name] ?? otherwise);
  if (!Number.isSafeInteger(value) || value < 1) {
    console.error(`--${name} takes a whole number from 1 on, not ${values[name]}`);
    process.exit(2);
  }
  return value;
};

if (values.seed !== undefined) await one(asked("seed"));
else if (values.every !== undefined) await part(asked("from", 1), asked("seeds"), asked("every"));
else await all(asked("from", 1), asked("seeds", 200));

function asGiven() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error.message}\nIt takes --seeds, --from or --seed, as in npm run test:sim -- --seeds 2000`);
    process.exit(2);
  }
}

async function worldOf(seed) {
  const { World } = await import("../test/sim/system/world.ts");
  return new World(seed);
}

async function one(seed) {
  const world = await worldOf(seed);
  const failure = await world.live().catch((error) => error ?? new Error("it failed without a reason"));
  console.log(world.trace.join("\n"));
  for (const [kind, times] of world.faults) console.log(`${kind}: ${times}`);
  console.log(failure ?? `seed ${seed}: ${world.steps} steps, ${world.acknowledged} acknowledged; all held`);
  if (failure) process.exitCode = 1;
}

/** Every so manieth seed: what one process does. */
async function part(from, to, every) {
  for (let seed = from; seed <= to; seed += every) {
    const world = await worldOf(seed);
    const failure = await world.live().then(
      () => undefined,
      (error) => `${world.trace.slice(-linesShown).join("\n")}\n${error.stack ?? error}`,
    );
    process.send({ seed, steps: world.steps, acknowledged: world.acknowledged, faults: [...world.faults], failure });
  }
  process.disconnect();
}

async function all(from, count) {
  const processes = Math.min(availableParallelism(), count);
  const startedAt = performance.now();
  const sums = { worlds: 0, steps: 0, acknowledged: 0 };
  const faults = new Map();
  const failed = [];
  const parts = Array.from({ length: processes }, (_, i) => {
    const args = ["--from", String(from + i), "--seeds", String(from + count - 1), "--every", String(processes)];
    const child = fork(fileURLToPath(import.meta.url), args);
    child.on("message", ({ seed, steps, acknowledged, faults: happened, failure }) => {
      sums.worlds++;
      sums.steps += steps;
      sums.acknowledged += acknowledged;
      for (const [kind, times] of happened) faults.set(kind, (faults.get(kind) ?? 0) + times);
      if (!failure) return;
      failed.push(seed);
      console.log(`\nseed ${seed}; again with npm run test:sim -- --seed ${seed}\n${failure}`);
    });
    return new Promise((resolve) => child.once("exit", resolve));
  });
  const codes = await Promise.all(parts);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(
    [...faults]
      .sort()
      .map(([kind, times]) => `${kind} ${times}`)
      .join(", "),
  );
  console.log(
    `${sums.worlds} worlds, ${sums.steps} steps, ${sums.acknowledged} acknowledged, in ${seconds} s: ${failed.length} failed${failed.length > 0 ? ` (${failed.sort((a, b) => a - b).join(" ")})` : ""}`,
  );
  if (failed.length > 0 || sums.worlds < count || codes.some((code) => code !== 0)) process.exitCode = 1;
}
