-- Lists of runs that read about a page whatever they are asked for, and runs that are live and quiet, which the meter need not ask.

-- By status and then by age: a list of all merges the statuses. It keeps its name, since the version before this one asks for it by name
-- until the new one is deployed, and can.
DROP INDEX runs_by_age;
CREATE INDEX runs_by_age ON runs (tenant, status, created_at, id);
CREATE INDEX runs_by_name ON runs (tenant, name, status, created_at, id) WHERE name IS NOT NULL;

-- One for both who meter all tenants and who meter one, in place of two. runs.metered_at is now the event up to which a live run was metered
-- when it was noted to be quiet.
DROP INDEX runs_unmetered;
DROP INDEX runs_unmetered_of_tenant;
CREATE INDEX runs_to_meter ON runs (tenant, id) WHERE metered = 0;

-- The time of the last event that was metered: what comes later is no older, so hours before it are whole.
ALTER TABLE usage_positions ADD COLUMN upto_at INTEGER NOT NULL DEFAULT 0;
