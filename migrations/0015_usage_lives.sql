-- How many runs have had the id and are deleted: what one of them delivers late is neither counted again nor for the next one.

ALTER TABLE usage_positions ADD COLUMN life INTEGER NOT NULL DEFAULT 0;
