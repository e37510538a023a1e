/**
 * Tables of a TenantGate.
 *
 * ready     runs with ready work, by lane
 * outcomes  first answers, by Idempotency-Key
 * allowances  tokens of each run, where there is a quota of them (meta: those of the day)
 * stored    bytes of each run
 * meta      the schema's version (gates of version 1 had none), when old outcomes were dropped
 */

import type { Schema } from "./migrations.ts";

export const gateSchema: Schema = {
  name: "tenant's gate",
  since1: "ready",
  steps: [
    `
      CREATE TABLE IF NOT EXISTS ready(pool TEXT, run TEXT, PRIMARY KEY(pool, run)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS outcomes(name TEXT PRIMARY KEY, at INTEGER NOT NULL, fingerprint TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
    `,
    `
      CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    `,
    `
      CREATE TABLE IF NOT EXISTS allowances(run TEXT PRIMARY KEY, spent INTEGER NOT NULL, allowed INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS stored(run TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
    `,
  ],
};
