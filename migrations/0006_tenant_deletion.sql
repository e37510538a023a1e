-- A tenant that is being deleted, or was: its row stays, without its name, so that nothing of it can come back.

ALTER TABLE tenants ADD COLUMN deleting_at INTEGER;
ALTER TABLE tenants ADD COLUMN deleted_at INTEGER;

CREATE INDEX tenants_deleting ON tenants (id) WHERE deleting_at IS NOT NULL AND deleted_at IS NULL;
