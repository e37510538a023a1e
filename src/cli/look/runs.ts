/** `heddle runs` */

import type { RunRow } from "../../client/replies.ts";
import type { RunsQuery } from "../../client/requests.ts";
import { duration } from "../../duration.ts";
import { runsListedDefault } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { colourOf } from "../screen/colours.ts";
import { note, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { textsOf, type Values, wholeNumber } from "../usage.ts";
import { newestRuns } from "./newest-runs.ts";

export const runsCommand: Command = {
  name: "runs",
  group: "Look",
  summary: "list runs, the newest last",
  flags: {
    status: {
      value: "STATUS",
      choices: ["active", "paused", "succeeded", "failed", "cancelled"],
      about: "only runs of this status: active, paused, succeeded, failed or cancelled",
    },
    name: { value: "NAME", about: "only runs of exactly this name" },
    from: { value: "TIME", about: "only runs created from then on: 2026-11-01, a time in UTC, or epoch ms" },
    to: { value: "TIME", about: "only runs created before then" },
    limit: { value: "N", about: `the newest N of them (default ${runsListedDefault})` },
    all: { without: ["limit"], about: "all of them" },
    json: { about: 'one JSON object per run: {"id", "name", "status", "created_at", "ended_at", "expires_at"}' },
  },
  about: "Lists the runs that the key can see, oldest first, so that the newest stands at the end.",
  more: `Exit status: 0, also where there is none; 1 the server refused; 2 usage; 3 server not reached.

Examples:
  heddle runs --status active
  heddle runs --name nightly --limit 1 --json | jq -r .id
  heddle runs --status failed --from 2026-11-01 --to 2026-12-01 --all
  heddle runs --all --json | jq -r 'select(.status == "failed").id'`,
  run: async ({ flags }) => {
    const limit = wholeNumber(flags, "limit", { min: 1, max: Number.MAX_SAFE_INTEGER, fallback: runsListedDefault });
    const { kept, more } = await newestRuns(
      await reach(),
      textsOf(flags, "status", "name", "from", "to") as RunsQuery,
      flags.all === true ? Number.POSITIVE_INFINITY : limit,
    );
    sayRows(flags, kept, columns, noneText(flags));
    if (more && flags.json !== true) note("Older ones are not shown: --all, or --limit N.");
    return exitStatus.ok;
  },
};

function noneText({ status, name, from, to }: Values): string {
  if ([name, from, to].some((flag) => flag !== undefined)) return "There is no such run.";
  return status === undefined ? "There are no runs." : `No run is ${status}.`;
}

const columns: readonly Column<RunRow>[] = [
  { title: "RUN", of: ({ id }) => id },
  { title: "NAME", of: ({ name }) => name, least: 8 },
  { title: "STATUS", of: ({ status }) => status, colour: ({ status }) => colourOf(status) },
  { title: "CREATED", of: ({ created_at }) => dateTime(created_at), least: 10 },
  { title: "TOOK", of: ({ created_at, ended_at }) => (ended_at === null ? "" : duration(ended_at - created_at)) },
];
