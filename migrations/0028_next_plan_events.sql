-- A period that began because what was queued for a user did: receivers that were written for Marzban's webhooks know it by another name. The row is
-- written anyway when a period begins, so that telling the two apart costs none.

-- Start of the period that the last queued plan began with.
ALTER TABLE usage ADD COLUMN next_start INTEGER;

DROP TRIGGER usage_reset_event;

CREATE TRIGGER usage_reset_event AFTER UPDATE OF period_start ON usage
WHEN NEW.period_start <> OLD.period_start AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.reset')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT 'reset:' || id || ':' || NEW.period_start, unixepoch(), 'user.reset', id,
    json_object('user', name, 'user_id', id, 'used', OLD.month, 'quota', OLD.monthly_quota, 'resets_at', nullif(NEW.period_end, 9007199254740991),
      'next_plan', json(iif(NEW.next_start IS NEW.period_start, 'true', 'false')))
  FROM users WHERE id = NEW.user AND deleted_at IS NULL
  ON CONFLICT (key) DO NOTHING;
END;
