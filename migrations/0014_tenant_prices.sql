-- What models cost a tenant where that differs from the deployment's list: JSON, null for nothing.

ALTER TABLE tenants ADD COLUMN prices TEXT;
