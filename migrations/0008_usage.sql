-- What tenants have used, by the hour, and up to where in its log each run has been metered: both change in one transaction.

CREATE TABLE usage (
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  run TEXT NOT NULL,
  model TEXT NOT NULL,
  pool TEXT NOT NULL,
  labels TEXT NOT NULL,
  key TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  unpriced_tokens INTEGER NOT NULL,
  simulated_tokens INTEGER NOT NULL,
  model_calls INTEGER NOT NULL,
  task_ms INTEGER NOT NULL,
  tasks INTEGER NOT NULL,
  events INTEGER NOT NULL,
  PRIMARY KEY (tenant, hour, run, model, pool, labels)
) WITHOUT ROWID;

CREATE TABLE usage_positions (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  upto INTEGER NOT NULL,
  open TEXT NOT NULL,
  PRIMARY KEY (tenant, run)
) WITHOUT ROWID;

-- 0: there may be events that are not metered. The run that was looked at longest ago comes first.
ALTER TABLE runs ADD COLUMN metered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN metered_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_unmetered ON runs (metered_at, tenant, id) WHERE metered = 0;
CREATE INDEX runs_unmetered_of_tenant ON runs (tenant, metered_at) WHERE metered = 0;
