/** Routes of the contract whose part of Heddle has not landed: they say so, to those whose keys could use them. */

import { scopes } from "../contract/admin-requests.ts";
import { Fault } from "../errors/fault.ts";
import { holderOf } from "./access.ts";
import type { Route } from "./route.ts";

const later: readonly (readonly [Route["method"], string])[] = [
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
  run: async (exchange) => {
    await holderOf(exchange, scopes);
    throw new Fault("not_available", `${method} ${path} is not available yet`);
  },
}));
