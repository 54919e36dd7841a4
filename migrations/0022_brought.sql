-- What a user brings along from another panel.

-- Links that the other panel made tell when they were made, and no generation (docs/marzban.md): those from before this second are revoked.
ALTER TABLE users ADD COLUMN links_since INTEGER;
-- Bytes that were used there: in the period that he came in, and over the lifetime. `month` and `lifetime` began with them.
ALTER TABLE usage ADD COLUMN brought_month INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN brought_total INTEGER NOT NULL DEFAULT 0;
