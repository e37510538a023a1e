/** `heddle quotas` */

import type { QuotasAndUse } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { dayMs } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import type { Colour } from "../screen/colours.ts";
import { note, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";

export interface QuotaRow {
  readonly quota: string;
  /** Absent for what a run or a request has of its own. */
  readonly used?: number | null;
  readonly limit?: number;
  /** Where more comes from, or when. */
  readonly frees: string;
}

export const quotasCommand: Command = {
  name: "quotas",
  group: "Look",
  summary: "what the tenant may use at most, what it uses, and when there is more",
  flags: { json: { about: 'one JSON object: {"quotas": {…}, "used": {…}}' } },
  about: `Shows what the key's tenant may use at most, and how much of that it does. What has no limit here may still be bound by a
run's own limits, or by its rules.`,
  more: "Exit status: 0; 1 the server refused; 2 usage; 3 server not reached.",
  run: async ({ flags }) => {
    const answer = await (await reach()).quotas();
    if (flags.json === true) sayJson(answer);
    else {
      sayTable(columns, quotaRows(answer, Date.now()));
      if (Object.keys(answer.quotas).length === 0) note("There are no quotas.");
    }
    return exitStatus.ok;
  },
};

/** What is used of the whole tenant's, limited or not; then the limits that each run, or each request, has of its own. */
export function quotaRows({ quotas, used }: QuotasAndUse, now: number): QuotaRow[] {
  const midnight = `at midnight (UTC), in ${duration(dayMs - (now % dayMs))}`;
  const { runs, seats, tokens_today, stored_bytes } = used;
  const whole = {
    runs: { used: runs, frees: "when a run ends" },
    total_seats: { used: seats, frees: "shared among the runs, as tasks end" },
    tokens_per_day: { used: tokens_today, frees: midnight },
    storage_bytes: { used: stored_bytes, frees: "when runs are deleted" },
  };
  const single: Readonly<Record<string, string>> = {
    seats: "of each run",
    tasks: "of each run",
    requests_per_second: "within seconds",
  };
  const limits: Readonly<Record<string, number>> = { ...quotas };
  const rows: QuotaRow[] = Object.entries(whole).map(([quota, row]) => ({
    ...{ quota, ...row },
    ...(limits[quota] !== undefined && { limit: limits[quota] }),
  }));
  // A newer server's quotas are shown too, though nothing is known of them here.
  const others = Object.entries(limits).filter(([quota]) => !(quota in whole));
  return [...rows, ...others.map(([quota, limit]) => ({ quota, limit, frees: single[quota] ?? "" }))];
}

const columns: Column<QuotaRow>[] = [
  { title: "QUOTA", of: ({ quota }) => quota },
  { title: "USED", of: ({ used }) => used ?? "-", align: "right", colour: fullness },
  { title: "LIMIT", of: ({ limit }) => limit ?? "-", align: "right" },
  { title: "MORE", of: ({ frees }) => frees, least: 12 },
];

function fullness({ used, limit }: QuotaRow): Colour | undefined {
  if (used === undefined || used === null || limit === undefined) return undefined;
  if (used >= limit) return "red";
  return used >= limit * 0.8 ? "yellow" : undefined;
}
