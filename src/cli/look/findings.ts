/** `heddle findings` */

import { eachRow } from "../all-rows.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, manyLines } from "../plain-text.ts";
import { colourOf } from "../screen/colours.ts";
import { note, paintOf, say, sayJson } from "../screen/output.ts";

export const findingsCommand: Command = {
  name: "findings",
  group: "Look",
  summary: "what Heddle has found out about a run",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    json: { about: 'one JSON object per finding: {"id", "at", "kind", "severity", "subjects", "evidence", "message"}' },
  },
  ask: "Name one run.",
  about: `Lists the run's findings: deadlocks, races, contention, stragglers, fan-outs that only queue, failures that nobody saw and more.
Each names the tasks concerned, and the events that show it (heddle logs RUN prints them).`,
  more: "Exit status: 0, also where there is none; 1 no such run, or the server refused; 2 usage; 3 server not reached.",
  run: async ({ flags, words: [run] }) => {
    const paint = paintOf();
    const client = await reach();
    const findings = eachRow(
      (page) => client.findings(run!, page),
      (page) => page.findings,
    );
    let count = 0;
    for await (const finding of findings) {
      count++;
      if (flags.json === true) {
        sayJson(finding);
        continue;
      }
      const { kind, severity, at, message, subjects, evidence } = finding;
      say(`${paint(severity, colourOf(severity))}  ${paint(kind, "bold")}  ${dateTime(at)}`);
      say(`  ${manyLines(message).replaceAll("\n", "\n  ")}`);
      const where = [
        subjects.length > 0 && `tasks ${subjects.join(", ")}`,
        `events ${evidence.map((seq) => `#${seq}`).join(", ")}`,
      ];
      say(paint(`  ${where.filter(Boolean).join("; ")}`, "dim"));
    }
    if (count === 0 && flags.json !== true) note("There are no findings.");
    return exitStatus.ok;
  },
};
