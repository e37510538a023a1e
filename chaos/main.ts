/**
 * `npm run chaos [-- --seed N --kills 20 --from FOLDER]`: kills a real server under load, and compares what its clients were told with what is there.
 *
 * Exit status 1: a promise was broken (the evidence is printed, the history stays); 2: wrong arguments.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { report } from "./report.ts";
import { chaos } from "./run.ts";

const values = argumentsOf();
const seed = wholeNumber("--seed", values.seed ?? String(Date.now() % 1_000_000));
const kills = wholeNumber("--kills", values.kills);
// The load has workers of the command as it is installed; a checkout that was edited since is built anew.
const built = spawnSync(process.execPath, [join(import.meta.dirname, "../scripts/build.mjs")], { stdio: "inherit" });
if (built.status !== 0) process.exit(1);
const folder = mkdtempSync(join(tmpdir(), "heddle-chaos-"));
const historyPath = join(folder, "history.jsonl");
console.log(`seed ${seed}, ${kills} kills; history: ${historyPath}`);
const ended = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ended.abort());
const outcome = await chaos({
  ...{
    seed,
    kills,
    spanMs: kills * 5000,
    settleMs: 180_000,
    users: 3,
    pullers: 3,
    workers: 2,
    landlords: 1,
    workersDie: true,
    historyPath,
  },
  ...(values.from !== undefined && { from: resolve(values.from) }),
  say: (line) => console.log(line),
  signal: ended.signal,
}).catch((error: unknown) => {
  if (!ended.signal.aborted) throw error;
  console.error("ended before its end");
  process.exit(130);
});
console.log(`\n${report(outcome, seed)} --kills ${kills}`);
const { violations, world } = outcome;
if (violations.length > 0) {
  const concerned = new Set(violations.map(({ run }) => run));
  const found = Object.entries(world.found).filter(([id]) => concerned.has(id));
  const copied = world.copied.filter(({ of, copy }) => concerned.has(of) || concerned.has(copy));
  const path = join(folder, "found.json");
  writeFileSync(path, JSON.stringify({ violations, found: Object.fromEntries(found), copied }));
  console.log(`what is there of the runs concerned: ${path}`);
}
process.exit(violations.length > 0 ? 1 : 0);

function argumentsOf() {
  try {
    const text = { type: "string" } as const;
    return parseArgs({ options: { seed: text, kills: { ...text, default: "20" }, from: text } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: npm run chaos -- [--seed N] [--kills 20] [--from FOLDER]`);
    process.exit(2);
  }
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`${name} is "${text}"; it must be a whole number, for example: npm run chaos -- --seed 7 --kills 20`);
  process.exit(2);
}
