-- When a run that has ended is to be deleted. NULL: it goes on, or nobody has said yet.

ALTER TABLE runs ADD COLUMN expires_at INTEGER;

CREATE INDEX runs_expiring ON runs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX runs_without_expiry ON runs (tenant, id) WHERE ended_at IS NOT NULL AND expires_at IS NULL;
