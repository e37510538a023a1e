/**
 * Tables of the DeploymentGate.
 *
 * claims    what each tenant has claimed last: a platform that keeps idle objects in memory for ten seconds would forget it else
 * meta      the schema's version
 */

import type { Schema } from "./migrations.ts";

export const deploymentSchema: Schema = {
  name: "deployment's gate",
  since1: "claims",
  steps: [
    `
      CREATE TABLE IF NOT EXISTS claims(tenant TEXT PRIMARY KEY, at INTEGER NOT NULL, demand INTEGER NOT NULL, cost REAL NOT NULL, seat_ms REAL NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    `,
  ],
};
