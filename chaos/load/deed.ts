/**
 * The command that `heddle work` runs for a task: `node deed.ts FILE`. It writes down that it has begun, takes its time, writes down that it
 * is done, and answers with its fence: so that what was done under each lease is known apart from what anybody was told of it.
 */

import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

const file = process.argv[2]!;
/** `work KEY 700`: for so many ms. */
const { id, instructions } = JSON.parse(readFileSync(0, "utf8")) as {
  readonly id: string;
  readonly instructions: string;
};
const [, key, ms] = instructions.split(" ");
// A copy's tasks have the ids of the original's: the lease tells them apart. What it is signed for stands in it (src/http/lease-token.ts).
const [, claim] = /^lse_([^.]+)\./.exec(process.env.HEDDLE_LEASE!)!;
const [, run, , fence] = JSON.parse(Buffer.from(claim!, "base64url").toString()) as [string, string, number, number];
const note = (what: "begun" | "done") =>
  appendFileSync(file, `${JSON.stringify({ run, task: id, fence, what, worker: process.ppid, at: Date.now() })}\n`);

note("begun");
await wait(Number(ms));
note("done");
process.stdout.write(`done ${key} by ${fence}`);
