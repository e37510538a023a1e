/** The whole deployment on one screen. */

import { deployment } from "./deployment.ts";

export { SeatRunner } from "./deployment.ts";
export { DeploymentGate } from "./objects/deployment-gate.ts";
export { RunScheduler } from "./objects/run-scheduler.ts";
export { SharedVariable } from "./objects/shared-variable.ts";
export { TenantGate } from "./objects/tenant-gate.ts";

export default deployment();
