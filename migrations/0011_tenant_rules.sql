-- Rules that a tenant holds all of its runs to. A row stays when they are taken away, without a text, so that the version rises
-- for ever. It goes with its tenant.

CREATE TABLE tenant_rules (
  tenant TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  rules TEXT,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The version that each run is held to: live ones that are behind are found by it.
ALTER TABLE runs ADD COLUMN rules_version INTEGER NOT NULL DEFAULT 0;

CREATE INDEX runs_by_rules ON runs (tenant, rules_version, id) WHERE ended_at IS NULL;
