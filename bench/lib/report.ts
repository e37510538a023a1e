/** Prints measures as a table, and keeps outcomes as JSON lines. */

import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Measure, type Outcome, reached } from "./measure.ts";

export class Report {
  readonly path: string;
  readonly #outcomes: Outcome[] = [];

  constructor(path: string, conditions: Readonly<Record<string, unknown>>) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#write({ conditions });
  }

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    this.#write(outcome);
  }

  get missed(): number {
    return this.#outcomes.flatMap(({ measures }) => measures).filter((measure) => reached(measure) === false).length;
  }

  table(): string {
    const rows = [["workload", "measure", "value", "target", "", "best peer"]];
    for (const { workload, measures } of this.#outcomes) {
      for (const [i, measure] of measures.entries()) rows.push([i === 0 ? workload : "", ...cells(measure)]);
    }
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    const lines = rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    );
    lines.splice(1, 0, "-".repeat(widths.reduce((a, b) => a + b + 2, -2)));
    return lines.join("\n");
  }

  #write(record: unknown): void {
    appendFileSync(this.path, `${JSON.stringify(record)}\n`);
  }
}

function cells(measure: Measure): string[] {
  const { name, value, unit, target, peer } = measure;
  const shown = (number: number) => (unit === "$" ? `$${digits(number)}` : `${digits(number)}${unit && ` ${unit}`}`);
  const ok = reached(measure);
  return [
    name,
    shown(value),
    target ? `${target.at === "least" ? "≥" : "≤"} ${shown(target.value)}` : "",
    ok === undefined ? "" : ok ? "pass" : "MISS",
    peer === undefined ? "" : shown(peer),
  ];
}

/** Three significant digits, and no more than that behind the point. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
