/** What a tenant may use at most, and what it uses: `GET /v1/quotas`. */

import { quotasView } from "../contract/tenant-responses.ts";
import { countLiveRuns } from "../storage/d1/run-index.ts";
import { gateObject } from "./objects.ts";
import { keyRoute } from "./route.ts";

export const quotaRoutes = [
  keyRoute(
    ["runs", "workers", "tenant_admin"],
    {
      method: "GET",
      path: "/v1/quotas",
      summary: "What the tenant may use at most, and what it uses",
      answer: { status: 200, schema: quotasView },
    },
    async ({ env, tenant, quotas }) => {
      const [runs, { seats, tokensToday, storedBytes }] = await Promise.all([
        countLiveRuns(env.DB, tenant),
        gateObject(env, tenant).used(),
      ]);
      return { quotas, used: { runs, seats, tokens_today: tokensToday, stored_bytes: storedBytes } };
    },
  ),
];
