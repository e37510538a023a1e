-- What a tenant may use at most: JSON, null for none.

ALTER TABLE tenants ADD COLUMN quotas TEXT;
