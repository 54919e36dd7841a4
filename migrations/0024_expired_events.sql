-- An account that was on hold and began at its time-out has no expiry of its own before the sweep has seen that: what it expired at
-- follows from the hold. Without it the event had no key, and whatever moved the gate failed.
DROP TRIGGER slots_event;

CREATE TRIGGER slots_event AFTER UPDATE OF gate ON slots
WHEN NEW.gate <> OLD.gate AND OLD.gate NOT IN ('vacant', 'retired', 'on_hold') AND EXISTS (SELECT 1 FROM wanted WHERE kind = CASE NEW.gate
  WHEN 'open' THEN 'user.enabled' WHEN 'month' THEN 'user.limited' WHEN 'total' THEN 'user.limited'
  WHEN 'expired' THEN 'user.expired' WHEN 'disabled' THEN 'user.disabled' WHEN 'sharing' THEN 'user.disabled' END)
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT CASE NEW.gate
      WHEN 'month' THEN 'limited:' || u.user || ':' || u.period_start || ':month:' || u.monthly_quota || ':' || u.bonus_spent
      WHEN 'total' THEN 'limited:' || u.user || ':total:' || u.total_quota || ':' || u.bonus_spent
      WHEN 'expired' THEN 'expired:' || u.user || ':' || coalesce(users.expires_at, u.hold_until + u.hold, NEW.changed)
      ELSE 'gate:' || u.user || ':' || NEW.changed || ':' || NEW.gate END,
    unixepoch(),
    CASE NEW.gate WHEN 'open' THEN 'user.enabled' WHEN 'expired' THEN 'user.expired' WHEN 'disabled' THEN 'user.disabled'
      WHEN 'sharing' THEN 'user.disabled' ELSE 'user.limited' END,
    u.user,
    json_object('user', users.name, 'user_id', u.user,
      'reason', replace(CASE NEW.gate WHEN 'open' THEN OLD.gate ELSE NEW.gate END, 'disabled', 'person'),
      'used', u.month, 'quota', u.monthly_quota, 'total_used', u.lifetime - u.bonus_spent, 'total_quota', u.total_quota,
      'resets_at', nullif(u.period_end, 9007199254740991), 'expires_at', coalesce(users.expires_at, u.hold_until + u.hold))
  FROM users JOIN usage AS u ON u.user = users.id WHERE users.id = NEW.user
  ON CONFLICT (key) DO NOTHING;
END;
