-- How many runs have had the id and are deleted: what one of them delivers late is not the next one's, nor counted again.

ALTER TABLE usage_positions ADD COLUMN life INTEGER NOT NULL DEFAULT 0;
