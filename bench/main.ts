/**
 * `npm run bench -- [FILTER…] [--quick] [--large]`: runs the workloads whose names begin with a filter (all without one)
 * against a local server of its own, prints a table and writes JSON lines under bench/results/.
 *
 * Exit status 1: a workload broke. A missed target is a result, not an error.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { conditions } from "./lib/conditions.ts";
import { fanOut, timers } from "./lib/fan-out.ts";
import { Report } from "./lib/report.ts";
import { Server } from "./lib/server.ts";
import { workloads } from "./workloads/index.ts";

const { values, positionals: filters } = asked();
if (values.help) {
  console.log(
    `usage: npm run bench -- [FILTER…] [--quick] [--large]\n\n${workloads.map(({ name }) => name).join("\n")}`,
  );
  process.exit(0);
}
const chosen = workloads.filter(
  ({ name }) => filters.length === 0 || filters.some((filter) => name.startsWith(filter)),
);
if (chosen.length === 0) {
  console.error(
    `There is no workload ${filters.join(", ")}. There are: ${workloads.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const stamp = new Date().toISOString().replaceAll(":", "-");
const results = join(import.meta.dirname, "results", `${stamp}.jsonl`);
const report = new Report(results, { ...conditions(), quick: values.quick, large: values.large });
const say = (line: string) => console.error(line);
let server: Server | undefined;
const leave = async (status: number) => {
  await server?.stop();
  process.exit(status);
};
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => leave(130));
process.once("unhandledRejection", (error) => {
  console.error(error);
  void leave(1);
});

for (const workload of chosen) {
  // A server of its own for each: what one leaves behind is not another's load.
  server = await Server.start(workload.variables);
  try {
    await fanOut(server, 16, timers(50, 0));
    say(`${workload.name} …`);
    for (const outcome of await workload.run({ server, quick: values.quick, large: values.large, say })) {
      report.add(outcome);
    }
  } catch (error) {
    process.exitCode = 1;
    console.error(`${workload.name} broke:`, error);
  } finally {
    await server.stop();
  }
}

console.log(report.table());
console.log(`\n${report.missed} targets missed. JSON lines: ${report.path}`);

function asked() {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({ options: { quick: flag, large: flag, help: flag }, allowPositionals: true });
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: npm run bench -- [FILTER…] [--quick] [--large]`);
    process.exit(2);
  }
}
