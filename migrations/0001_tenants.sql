-- Tenants and their keys. A key itself is never stored, only its SHA-256.

CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX tenants_by_age ON tenants (created_at, id);

CREATE TABLE api_keys (
  hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL REFERENCES tenants (id),
  name TEXT,
  scopes TEXT NOT NULL, -- JSON array
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;

CREATE INDEX api_keys_of_tenant ON api_keys (tenant, created_at, id);
