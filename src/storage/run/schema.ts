import type { Schema } from "../migrations.ts";

/**
 * Tables of a RunScheduler. Rows written are the platform's dearest unit: no generated key, no secondary index but one,
 * over rows that are rare.
 *
 * log        one row a command (or a part of one): its events, and their bodies (texts) in a column of their own, so that
 *            following the log never reads a result
 * snapshots  the context tree; `texts` is the JSON array of the messages appended, or NULL when it lies in `chunks`
 * pages      checkpoints: some 500 tasks each
 * outcomes   first answers, by Idempotency-Key and by outside call
 * chunks     parts of texts over a row's size, by owner
 * renewals   until when a lease that was renewed lasts: not in the log, which would grow with nothing to tell
 * call_renewals  the same, of calls of remote tools
 * variables  names that are taken, in the order of their first use (`seq`: the event that tells of it); about how much each one's own
 *            object has stored
 * facts      checkpoints of the variables that block: a row each, or NULL when it lies in `chunks`
 * deliveries messages to the run's webhook that were tried, by the event that each tells of; the index has those that wait for
 *            another try, so one that is taken at once is one row
 * meta       the checkpoint's header, the schema's version, the local runtime's identity, when old outcomes were dropped
 */
export const runSchema: Schema = {
  name: "run",
  since1: "log",
  steps: [
    `
      CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, events TEXT NOT NULL, bodies TEXT);
      CREATE TABLE IF NOT EXISTS snapshots(
        hash TEXT PRIMARY KEY, parent TEXT, root TEXT NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL, texts TEXT
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS pages(page INTEGER PRIMARY KEY, tasks TEXT);
      CREATE TABLE IF NOT EXISTS outcomes(name TEXT PRIMARY KEY, at INTEGER NOT NULL, fingerprint TEXT NOT NULL, value TEXT) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS chunks(owner TEXT NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(owner, part)) WITHOUT ROWID;
    `,
    // `renewals` came during version 1, so that some of those have it.
    `
      CREATE TABLE IF NOT EXISTS renewals(task INTEGER PRIMARY KEY, fence INTEGER NOT NULL, expires_at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS variables(seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL);
    `,
    `
      CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
    `,
    `
      CREATE TABLE IF NOT EXISTS call_renewals(call INTEGER PRIMARY KEY, fence INTEGER NOT NULL, expires_at INTEGER NOT NULL);
    `,
    `
      CREATE TABLE IF NOT EXISTS deliveries(
        seq INTEGER PRIMARY KEY, type TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL, attempts TEXT NOT NULL,
        since INTEGER NOT NULL, failures INTEGER NOT NULL, next_at INTEGER
      );
      CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(next_at) WHERE next_at IS NOT NULL;
    `,
    `
      ALTER TABLE variables ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
    `,
  ],
};
