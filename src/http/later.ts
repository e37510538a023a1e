/** Routes of the contract whose part of Heddle has not landed: they say so, to those whose keys could use them. */

import { scopes } from "../contract/admin-requests.ts";
import { Fault } from "../errors/fault.ts";
import { tenantOf } from "./access.ts";
import type { Route } from "./route.ts";

const later: readonly (readonly [Route["method"], string])[] = [
  ["GET", "/v1/usage"],
  ["GET", "/v1/providers/:name"],
  ["PUT", "/v1/providers/:name"],
  ["DELETE", "/v1/providers/:name"],
  ["GET", "/mcp"],
  ["POST", "/mcp"],
  ["DELETE", "/mcp"],
];

export const laterRoutes: readonly Route[] = later.map(([method, path]) => ({
  method,
  path,
  summary: "Not available yet",
  access: { kind: "key", scopes },
  answer: { status: 204 },
  hidden: true,
  run: async ({ request, env, options }) => {
    await tenantOf(request, env, options, scopes);
    throw new Fault("not_available", `${method} ${path} is not available yet`);
  },
}));
