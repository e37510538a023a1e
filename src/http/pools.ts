/** Pools of pull workers, as their tenant's gate sees them. */

import { pageQuery } from "../contract/paging.ts";
import { poolName } from "../contract/task-spec.ts";
import { poolView } from "../contract/worker-responses.ts";
import { Fault } from "../errors/fault.ts";
import { validate } from "./body.ts";
import { ask, gateObject } from "./objects.ts";
import { keyRoute } from "./route.ts";

const hostedPool = "hosted";

export const poolRoutes = [
  keyRoute(
    ["runs", "workers"],
    {
      method: "GET",
      path: "/v1/pools/:pool",
      summary: "A pool's workers that asked for work lately, with the load that each reported, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: poolView },
      problems: ["pool_not_allowed"],
    },
    async ({ env, tenant, params, query }) => {
      const pool = pullPool(params.pool);
      const { workers, waiting, nextCursor } = await ask(gateObject(env, tenant).pool({ pool, ...query }));
      return { pool, workers, waiting, next_cursor: nextCursor };
    },
  ),
];

/** @throws Fault validation_failed for no pool's name, pool_not_allowed for the one that no pull worker serves */
export function pullPool(name: string): string {
  const pool = validate(poolName, name, "pool");
  // No key could do it, so it is not a matter of authority (403) but of the request (422).
  if (pool === hostedPool)
    throw new Fault("pool_not_allowed", "the pool hosted is served by Heddle's own worker agents");
  return pool;
}
