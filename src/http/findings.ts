/** What Heddle has found out about a run. */

import { pageQuery } from "../contract/paging.ts";
import { findingsPage } from "../contract/responses.ts";
import { ask, runObject } from "./objects.ts";
import { keyRoute } from "./route.ts";

export const findingRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/runs/:run/findings",
      summary: "List the run's findings: deadlocks, holds that ran out, failures that nobody saw",
      query: pageQuery,
      answer: { status: 200, schema: findingsPage },
    },
    async ({ env, tenant, params, query }) => {
      const { rows, nextCursor } = await ask(runObject(env, tenant, params.run).findings(query));
      return { findings: rows, next_cursor: nextCursor };
    },
  ),
];
