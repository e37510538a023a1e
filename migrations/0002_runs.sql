-- The index of runs: what lists and the cron sweep need. The truth of a run lives in its own object.

CREATE TABLE runs (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE INDEX runs_by_age ON runs (tenant, created_at, id);
CREATE INDEX runs_live ON runs (tenant, id) WHERE ended_at IS NULL;
