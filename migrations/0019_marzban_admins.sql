-- What Marzban's API knows of an admin beside what an operator is (docs/marzban.md).

ALTER TABLE operators ADD COLUMN telegram_id INTEGER;
ALTER TABLE operators ADD COLUMN discord_webhook TEXT;
-- Bytes of his users when his usage was last reset: what is shown counts from there.
ALTER TABLE operators ADD COLUMN usage_from INTEGER NOT NULL DEFAULT 0;
