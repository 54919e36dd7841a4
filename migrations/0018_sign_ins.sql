-- When operators and API keys came last, so that one that nobody needs any more is seen.

-- The last sign-in; NULL = none since this migration.
ALTER TABLE operators ADD COLUMN signed_in_at INTEGER;
-- The last use, to the hour: a write for every request would cost more than the request.
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
