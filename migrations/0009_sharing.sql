-- From how many addresses each user connects, over all nodes together: one row a user. Addresses are keyed hashes that are
-- good for one day.
CREATE TABLE addresses (
  user INTEGER PRIMARY KEY,
  -- His credentials when this was told. Under other ones his clients have other hashes, so that everything begins anew.
  slot TEXT NOT NULL,
  -- {"node": [told at, day of the key, [hash, ...]]}: what a node tells replaces what it told before.
  sets TEXT NOT NULL,
  -- When a node last told of an address.
  last_at INTEGER NOT NULL DEFAULT 0,
  -- Until then nothing more is noted about him.
  quiet_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Users who came from more addresses than they may. Counts and times, never an address.
CREATE TABLE suspicious_activity (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL,
  at INTEGER NOT NULL,
  count INTEGER NOT NULL,
  "limit" INTEGER NOT NULL,
  -- {"node": addresses there}
  nodes TEXT NOT NULL,
  -- Until when he was cut for it; NULL when it was noted only.
  until INTEGER
) STRICT;

CREATE INDEX suspicious_activity_user ON suspicious_activity (user, id);

-- Whoever wants to be told is told. Rows: 1 read; written: 1 per event, and 1 for the outbox to wake.
CREATE TRIGGER suspicious_event AFTER INSERT ON suspicious_activity
WHEN EXISTS (SELECT 1 FROM wanted WHERE kind = 'sharing.suspected')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT 'sharing:' || NEW.user || ':' || NEW.at, NEW.at, 'sharing.suspected', NEW.user,
    json_object('user', name, 'user_id', NEW.user, 'sources', NEW.count, 'limit', NEW."limit", 'cut_until', NEW.until)
  FROM users WHERE id = NEW.user ON CONFLICT (key) DO NOTHING;
END;
