-- Keys that expire, that say when they were used last, and that are replaced with an overlap, and what was done by whom.

ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER; -- to the minute
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT; -- the id of the key that it was rotated to

-- Of whom the answer tells, where it is one tenant: its deletion takes it along.
ALTER TABLE idempotency ADD COLUMN tenant TEXT;

-- Administrative acts. A row is written in one batch with what it tells of, and never changed.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at INTEGER NOT NULL,
  tenant TEXT, -- whom it was done to, null for the deployment
  actor TEXT NOT NULL, -- the word operator, or the id of a key
  act TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL -- JSON, without secrets
);

CREATE INDEX audit_of_tenant ON audit (tenant, id);
