/**
 * Plays the scenarios on a local server and keeps their logs: `npx node test/trace/golden/record.ts [NAME…]`.
 * To be run again when the log's vocabulary has grown by what folds should read; what is kept must not need it.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Heddle } from "../../../src/client/index.ts";
import { LocalServer } from "../../e2e/lib/server.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

async function play(heddle: Heddle, { run, tasks, finish }: Scenario): Promise<string> {
  const { id } = await heddle.createRun(run);
  if (tasks) await heddle.createTasks(id, { tasks: [...tasks] });
  for (let done = false; !done; ) ({ done } = await heddle.waitFor(id, { mode: "settled" }));
  if (finish) await heddle.finishRun(id);
  return id;
}

/** The log's rows without the texts beside them, a line each; times begin with the first. */
async function logOf(heddle: Heddle, run: string): Promise<string> {
  const rows: string[] = [];
  let begun: number | undefined;
  for await (const line of heddle.exportRun(run)) {
    const { seq, at, events } = JSON.parse(line) as { seq?: number; at?: number; events?: object[] };
    if (seq === undefined || at === undefined || events === undefined) continue;
    begun ??= at;
    rows.push(JSON.stringify({ seq, at: at - begun + 1, events }));
  }
  return `${rows.join("\n")}\n`;
}

const named = process.argv.slice(2);
const server = await LocalServer.start();
try {
  const chosen = Object.entries(scenarios).filter(([name]) => named.length === 0 || named.includes(name));
  await Promise.all(
    chosen.map(async ([name, scenario]) => {
      const id = await play(server.heddle, scenario);
      writeFileSync(join(import.meta.dirname, `${name}.ndjson`), await logOf(server.heddle, id));
      const { findings } = await server.heddle.findings(id);
      process.stdout.write(`${name}: ${findings.map(({ kind }) => kind).join(", ") || "none"}\n`);
    }),
  );
} finally {
  await server.stop();
}
