-- What models cost a tenant where that differs from the list of the deployment: JSON, null for nothing.

ALTER TABLE tenants ADD COLUMN prices TEXT;
