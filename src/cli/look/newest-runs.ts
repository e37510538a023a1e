/** The newest runs, from servers that can begin with them, and from older ones, of which every page has to be read. */

import { HeddleProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { RunRow } from "../../client/replies.ts";
import type { RunsQuery } from "../../client/requests.ts";
import type { CallOptions } from "../../client/transport.ts";
import { pageRowsMax } from "../../limits.ts";

type Which = Pick<RunsQuery, "status" | "name" | "from" | "to">;
export interface NewestRuns {
  /** The newest last. */
  readonly kept: RunRow[];
  /** Whether there are older ones. */
  readonly more: boolean;
}

/** The newest `count` runs of those asked for. */
export async function newestRuns(
  client: Heddle,
  which: Which,
  count: number,
  options: CallOptions = {},
): Promise<NewestRuns> {
  try {
    return await fromTheNewest(client, which, count, options);
  } catch (error) {
    // It says that it knows no span of time: to list runs of all times would be another answer.
    if (!isOlderServer(error) || which.from !== undefined || which.to !== undefined) throw error;
    return await fromTheOldest(client, which, count, options);
  }
}

/** One that knows neither an order nor what may be asked for, and so refuses both. */
const isOlderServer = (error: unknown): boolean =>
  error instanceof HeddleProblem &&
  error.code === "validation_failed" &&
  error.errors.some(({ path }) => path === "order");

async function fromTheNewest(client: Heddle, which: Which, count: number, options: CallOptions): Promise<NewestRuns> {
  const kept: RunRow[] = [];
  for (let cursor: string | undefined; ; ) {
    const limit = Math.min(pageRowsMax, count - kept.length);
    const query = { ...which, order: "desc", limit, ...(cursor !== undefined && { cursor }) } as const;
    const page = await client.listRuns(query, options);
    kept.push(...page.runs);
    if (page.next_cursor === null || kept.length >= count)
      return { kept: kept.reverse(), more: page.next_cursor !== null };
    cursor = page.next_cursor;
  }
}

async function fromTheOldest(
  client: Heddle,
  { status, name }: Which,
  count: number,
  options: CallOptions,
): Promise<NewestRuns> {
  let kept: RunRow[] = [];
  let more = false;
  for (let cursor: string | undefined; ; ) {
    const page = await client.listRuns({ limit: pageRowsMax, ...(cursor !== undefined && { cursor }) }, options);
    kept.push(
      ...page.runs.filter(
        (run) => (status === undefined || run.status === status) && (name === undefined || run.name === name),
      ),
    );
    more ||= kept.length > count;
    kept = kept.slice(-count);
    if (page.next_cursor === null) return { kept, more };
    cursor = page.next_cursor;
  }
}
