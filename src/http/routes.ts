/** Every route, in the order of /openapi.json. */

import { aboutRoute } from "./about.ts";
import { actorRoutes } from "./actors.ts";
import { adminRoutes } from "./admin.ts";
import { adminKeyRoutes } from "./admin-keys.ts";
import { auditRoutes } from "./audit.ts";
import { billingRoutes } from "./billing.ts";
import { contextRoutes } from "./contexts.ts";
import { criticalPathRoute } from "./critical-path.ts";
import { eventRoutes } from "./events.ts";
import { exportRoute } from "./export.ts";
import { findingRoutes } from "./findings.ts";
import { healthRoute } from "./health.ts";
import { importRoutes } from "./imports.ts";
import { leaseRoutes } from "./leases.ts";
import { madeOnce } from "./made-once.ts";
import { mcpRoute } from "./mcp.ts";
import { openApi } from "./openapi.ts";
import { pageRoutes } from "./pages.ts";
import { poolRoutes } from "./pools.ts";
import { providerRoutes } from "./providers.ts";
import { questionRoutes } from "./questions.ts";
import { quotaRoutes } from "./quotas.ts";
import { publicRoute, type Route } from "./route.ts";
import { rulesRoutes } from "./rules.ts";
import { runRoutes } from "./runs.ts";
import { sweepRoute } from "./sweep.ts";
import { taskRoutes } from "./tasks.ts";
import { tenantPricesRoutes } from "./tenant-prices.ts";
import { tenantRulesRoutes } from "./tenant-rules.ts";
import { toolRoutes } from "./tool-calls.ts";
import { traceRoute } from "./trace.ts";
import { usageRoutes } from "./usage.ts";
import { variableRoutes } from "./variables.ts";
import { webhookRoutes } from "./webhooks.ts";

// Anybody may ask for it, whatever else is under way, and to make it takes 50 ms: once, or twenty requests a second would be all of an isolate.
const document = madeOnce(() => openApi(routes));
const documentText = madeOnce(() => JSON.stringify(document()));

export const routes: readonly Route[] = [
  ...runRoutes,
  ...rulesRoutes,
  ...tenantRulesRoutes,
  exportRoute,
  ...importRoutes,
  ...contextRoutes,
  ...taskRoutes,
  ...toolRoutes,
  ...actorRoutes,
  ...variableRoutes,
  ...questionRoutes,
  ...eventRoutes,
  ...findingRoutes,
  ...webhookRoutes,
  criticalPathRoute,
  traceRoute,
  ...poolRoutes,
  ...leaseRoutes,
  ...usageRoutes,
  ...quotaRoutes,
  ...tenantPricesRoutes,
  ...providerRoutes,
  ...adminRoutes,
  ...adminKeyRoutes,
  ...billingRoutes,
  ...auditRoutes,
  sweepRoute,
  aboutRoute,
  healthRoute,
  publicRoute(
    {
      method: "GET",
      path: "/openapi.json",
      summary: "This description",
      answer: { status: 200, contentType: "application/json" },
    },
    () => new Response(documentText(), { headers: { "content-type": "application/json" } }),
  ),
  ...pageRoutes(document),
  mcpRoute(() => routes),
];
