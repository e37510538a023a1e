-- What the cron sweep remembers from one time to the next.

-- How often the status of a run was written here, and the newest of these words that was compared with the object of the run: an end
-- that nobody has compared yet may be wrong, since words can overtake one another.
ALTER TABLE runs ADD COLUMN writes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_unchecked ON runs (tenant, id) WHERE ended_at IS NOT NULL AND checked < writes;

-- Where each pass goes on, and how its last time went.
CREATE TABLE sweep_passes (
  name TEXT PRIMARY KEY,
  after_tenant TEXT,
  after_id TEXT,
  began_at INTEGER NOT NULL,
  ended_at INTEGER, -- absent while it goes on, and of one that broke off
  visited INTEGER NOT NULL,
  failed INTEGER NOT NULL
) WITHOUT ROWID;

-- Runs whose last visits failed.
CREATE TABLE sweep_failures (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  passes INTEGER NOT NULL, -- in a row
  since INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
