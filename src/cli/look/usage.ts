/** `heddle usage` */

import type { UsagePage, UsageRowView } from "../../client/replies.ts";
import type { UsageQuery } from "../../client/requests.ts";
import { csvCell, usageColumns } from "../../csv.ts";
import { pageRowsMax } from "../../limits.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { note, say, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { textsOf, UsageError } from "../usage.ts";

const dimensions = ["hour", "day", "run", "key", "model", "pool"];

/** What a table has of the amounts, under headings that leave it room in 80 columns. */
const amounts = {
  model_calls: "CALLS",
  input_tokens: "TOKENS IN",
  cache_read_tokens: "CACHED",
  output_tokens: "OUT",
  cost_usd: "COST USD",
  task_seconds: "TASK SEC",
  tasks: "TASKS",
};

export const usageCommand: Command = {
  name: "usage",
  group: "Look",
  summary: "what has been used: tokens, money, time",
  flags: {
    by: { value: "WHAT", about: "hour, day (default), run, key, model, pool, or label:NAME" },
    from: { value: "TIME", about: "from this hour on: 2026-11-01, a time in UTC, or epoch ms; default: 30 days back" },
    to: { value: "TIME", about: "up to this hour, without it; default: until now" },
    csv: { without: ["json"], about: "as CSV, with every column" },
    json: { about: "one JSON object per row" },
  },
  about: `Sums up what the key's tenant has used, from the logs of its runs, deleted ones too. Each event counts in the hour in
which it was logged; a lease's time counts when it ends.`,
  more: "Exit status: 0; 1 the server refused; 2 usage; 3 server not reached.",
  run: async (given) => {
    const { by, query } = readUsage(given, "day");
    const client = await reach();
    return sayUsage(given, by, (page) => client.usage({ ...query, ...page }));
  },
};

/** What is asked for. @throws UsageError for what no server can answer */
export function readUsage({ flags }: Given, byDefault: "day" | "tenant"): { by: string; query: UsageQuery } {
  const by = (flags.by as string | undefined) ?? byDefault;
  const names = byDefault === "tenant" ? ["tenant", ...dimensions] : dimensions;
  if (!(names.includes(by) || /^label:./.test(by)))
    throw new UsageError(`--by is "${by}"; it must be ${names.join(", ")} or label:NAME.`);
  return { by, query: { by, ...textsOf(flags, "from", "to") } };
}

type ReadPage = (query: { limit: number; cursor?: string }) => Promise<UsagePage>;

/** All pages, as the flags --csv and --json have it. */
export async function sayUsage({ flags }: Given, by: string, read: ReadPage): Promise<number> {
  const { rows, isComplete } = await all(read);
  const name = by.startsWith("label:") ? "label" : by;
  if (flags.csv === true) {
    const names = [name, ...usageColumns];
    for (const cells of [names, ...rows.map((row) => names.map((one) => row[one]))]) say(cells.map(csvCell).join(","));
  } else sayRows(flags, rows, columnsOf(name), "Nothing has been used in that time.");
  if (!isComplete)
    note("Some runs could not be asked what they have used since their last metering: ask again in a minute.");
  return exitStatus.ok;
}

async function all(read: ReadPage): Promise<{ rows: UsageRowView[]; isComplete: boolean }> {
  const rows: UsageRowView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await read({ limit: pageRowsMax, ...(cursor !== undefined && { cursor }) });
    rows.push(...page.usage);
    if (page.next_cursor === null) return { rows, isComplete: page.complete };
    cursor = page.next_cursor;
  }
}

const columnsOf = (name: string): Column<UsageRowView>[] => [
  { title: name.toUpperCase(), of: (row) => row[name] || "-", least: 12 },
  ...Object.entries(amounts).map(
    ([of, title]): Column<UsageRowView> => ({
      title,
      of: (row) => rounded(row[of]),
      align: "right",
    }),
  ),
];

const rounded = (value: string | number | undefined): string =>
  typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : String(value ?? "");
