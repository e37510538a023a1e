-- Answers to an Idempotency-Key of requests of the operator, written in one batch with the effect and kept for 24 hours.
-- Requests about runs keep theirs inside the object of the run.

CREATE TABLE idempotency (
  key_hash TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  answer TEXT NOT NULL, -- JSON, without secrets
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
