/** Shared variables of a run, as they explain themselves. Their ops are tool calls. */

import { pageQuery } from "../contract/paging.ts";
import { variablesPage, variableView } from "../contract/responses.ts";
import { ask } from "./objects.ts";
import { keyRoute } from "./route.ts";

const scopes = ["runs"] as const;

export const variableRoutes = [
  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/variables",
      summary: "List the run's shared variables, in the order of their first use",
      query: pageQuery,
      answer: { status: 200, schema: variablesPage },
    },
    async ({ theRun, query }) => {
      const { rows, nextCursor } = await ask(theRun().variables(query));
      return { variables: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/variables/:name",
      summary: "A shared variable: its kind, state, holders, waiters and op counts",
      answer: { status: 200, schema: variableView },
    },
    ({ theRun, params }) => ask(theRun().variable(params.name)),
  ),
];
