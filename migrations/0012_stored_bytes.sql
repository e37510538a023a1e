-- What the runs of a tenant have stored, as their objects told its gate, some seconds late.

ALTER TABLE tenants ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;
