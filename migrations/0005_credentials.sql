-- Credentials at model providers of tenants themselves. The key itself is sealed (AES-GCM) under a secret of the deployment, bound to
-- tenant, name, format and address.

CREATE TABLE credentials (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  format TEXT NOT NULL,
  base_url TEXT,
  model TEXT, -- where neither task nor context names one
  is_default INTEGER NOT NULL, -- of its format, for new runs of the tenant
  last4 TEXT NOT NULL,
  sealed TEXT NOT NULL,
  sealed_by TEXT NOT NULL, -- which secret
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE UNIQUE INDEX credentials_default ON credentials (tenant, format) WHERE is_default = 1;
