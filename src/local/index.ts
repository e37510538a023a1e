/** Local mode's entry: the deployment, plus keys that everybody knows and a simulated model. Never in the deploy bundle. */

import { deployment } from "../deployment.ts";
import type { Env } from "../objects/env.ts";
import type { SimulatedFaults } from "./simulated/faults-object.ts";
import { handleSimulated } from "./simulated/handle.ts";

export { SeatRunner } from "../deployment.ts";
export { DeploymentGate } from "../objects/deployment-gate.ts";
export { RunScheduler } from "../objects/run-scheduler.ts";
export { SharedVariable } from "../objects/shared-variable.ts";
export { TenantGate } from "../objects/tenant-gate.ts";
export { SimulatedFaults } from "./simulated/faults-object.ts";

type LocalEnv = Env & { readonly FAULTS: DurableObjectNamespace<SimulatedFaults> };

const heddle = deployment({
  localKeys: {
    keys: [{ key: "hdl_local", tenant: "local", scopes: ["runs", "workers", "tenant_admin"] }],
    operatorSecret: "hdl_local_admin",
  },
  hosts: ["127.0.0.1", "localhost", "[::1]"],
});

export default {
  ...heddle,
  fetch: (request, env, ctx) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/simulated/")) return handleSimulated(request, env.FAULTS.getByName("faults"));
    return heddle.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<LocalEnv>;
