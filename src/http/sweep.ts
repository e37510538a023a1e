/** How the cron sweep is doing: for operators, and for what watches a deployment. */

import { sweepView } from "../contract/tenant-responses.ts";
import { sweepFailuresReported, sweepFailuresShown } from "../limits.ts";
import { countFailures, listFailures, listPasses } from "../storage/d1/sweep-state.ts";
import { operatorRoute } from "./route.ts";

export const sweepRoute = operatorRoute(
  {
    method: "GET",
    path: "/admin/sweep",
    summary: "The cron sweep: its last passes, and runs that it can't visit",
    answer: { status: 200, schema: sweepView },
  },
  async ({ env: { DB } }) => {
    const [passes, count, failing] = await Promise.all([
      listPasses(DB),
      countFailures(DB, sweepFailuresReported),
      listFailures(DB, sweepFailuresReported, sweepFailuresShown),
    ]);
    return { passes, failing_count: count, failing: failing.map(({ id, ...row }) => ({ ...row, run: id })) };
  },
);
