-- Events, and the outbox that tells them: what happened is one row, whoever wants to know of it; a job makes a delivery of
-- it for every channel. So a report pays for what it causes and not for the number of channels, and an event that no
-- channel wants is not written at all.

CREATE TABLE events (
  -- In the order in which they happened; the newest row is never deleted, so no number comes twice.
  number INTEGER PRIMARY KEY,
  -- What receivers know it by.
  id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  -- Makes an alert happen once: per user, period and threshold, per node and silence.
  key TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- Whom it is about, if a user or a node.
  user INTEGER,
  node INTEGER,
  -- JSON object.
  data TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- Where events are told.
CREATE TABLE channels (
  -- Never used again: deliveries of a channel that is gone must not turn up in another one.
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL COLLATE NOCASE UNIQUE,
  type TEXT NOT NULL CHECK (type IN ('webhook', 'telegram', 'email')),
  enabled INTEGER NOT NULL DEFAULT 1,
  -- `operator`, or `user`: the one whom the event is about, if his address is known.
  audience TEXT NOT NULL DEFAULT 'operator' CHECK (audience IN ('operator', 'user')),
  -- JSON: kinds, severity, language, time zone, quiet hours.
  rules TEXT NOT NULL,
  -- JSON list of the kinds that the rules let through.
  wants TEXT NOT NULL,
  -- Address and secrets, AES-256-GCM under CREDENTIAL_KEY.
  target TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- Its own state: tries in a row that failed, when the next may be made, and how the last one went.
  failures INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0,
  tried_at INTEGER,
  status INTEGER,
  error TEXT,
  delivered_at INTEGER,
  -- Until then a run that sends has it to itself.
  claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Which kinds anybody wants, and who: a mirror of channels, kept by the triggers below. A hot path asks it before it writes.
CREATE TABLE wanted (
  kind TEXT NOT NULL,
  channel INTEGER NOT NULL,
  PRIMARY KEY (kind, channel)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER channels_wanted AFTER INSERT ON channels
BEGIN
  INSERT INTO wanted (kind, channel) SELECT value, NEW.id FROM json_each(NEW.wants) WHERE NEW.enabled;
END;

CREATE TRIGGER channels_rewanted AFTER UPDATE OF enabled, wants ON channels
BEGIN
  DELETE FROM wanted WHERE channel = NEW.id;
  INSERT INTO wanted (kind, channel) SELECT value, NEW.id FROM json_each(NEW.wants) WHERE NEW.enabled;
END;

CREATE TRIGGER channels_unwanted AFTER DELETE ON channels
BEGIN
  DELETE FROM wanted WHERE channel = OLD.id;
END;

-- One row an event and channel, in the order of events, so that retention cuts off the oldest without a search.
CREATE TABLE deliveries (
  event INTEGER NOT NULL,
  channel INTEGER NOT NULL,
  -- Events of one subject leave in their order.
  subject TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
  queued_at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  -- Tries at which the endpoint took offence at this very event.
  refusals INTEGER NOT NULL DEFAULT 0,
  -- Not before then, after a refusal.
  next_at INTEGER NOT NULL DEFAULT 0,
  tried_at INTEGER,
  status INTEGER,
  error TEXT,
  PRIMARY KEY (event, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_waiting ON deliveries (channel, event) WHERE state = 'waiting';
CREATE INDEX deliveries_dead ON deliveries (channel, event) WHERE state = 'dead';

-- The outbox sleeps until something happens: an event wakes it, once for any number of events.
INSERT INTO jobs (name) VALUES ('alerts'), ('outbox'), ('report');

CREATE TRIGGER events_call AFTER INSERT ON events
BEGIN
  UPDATE jobs SET next_at = NEW.at WHERE name = 'outbox' AND next_at > NEW.at;
END;

-- Whoever expires soon is found without looking at the others.
CREATE INDEX users_expires ON users (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- A gate that moved is the one place where limits, expiry, persons, resets and packages meet. Credentials that were
-- replaced (vacant, retired) are no news of the user, nor is the first use of an account on hold. A limit is told once per period and allowance, an expiry once per
-- date; every other change is told as it happens.
CREATE TRIGGER slots_event AFTER UPDATE OF gate ON slots
WHEN NEW.gate <> OLD.gate AND OLD.gate NOT IN ('vacant', 'retired', 'on_hold') AND EXISTS (SELECT 1 FROM wanted WHERE kind = CASE NEW.gate
  WHEN 'open' THEN 'user.enabled' WHEN 'month' THEN 'user.limited' WHEN 'total' THEN 'user.limited'
  WHEN 'expired' THEN 'user.expired' WHEN 'disabled' THEN 'user.disabled' WHEN 'sharing' THEN 'user.disabled' END)
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT CASE NEW.gate
      WHEN 'month' THEN 'limited:' || u.user || ':' || u.period_start || ':month:' || u.monthly_quota || ':' || u.bonus_spent
      WHEN 'total' THEN 'limited:' || u.user || ':total:' || u.total_quota || ':' || u.bonus_spent
      WHEN 'expired' THEN 'expired:' || u.user || ':' || users.expires_at
      ELSE 'gate:' || u.user || ':' || NEW.changed || ':' || NEW.gate END,
    unixepoch(),
    CASE NEW.gate WHEN 'open' THEN 'user.enabled' WHEN 'expired' THEN 'user.expired' WHEN 'disabled' THEN 'user.disabled'
      WHEN 'sharing' THEN 'user.disabled' ELSE 'user.limited' END,
    u.user,
    json_object('user', users.name, 'user_id', u.user,
      'reason', replace(CASE NEW.gate WHEN 'open' THEN OLD.gate ELSE NEW.gate END, 'disabled', 'person'),
      'used', u.month, 'quota', u.monthly_quota, 'total_used', u.lifetime - u.bonus_spent, 'total_quota', u.total_quota,
      'resets_at', nullif(u.period_end, 9007199254740991), 'expires_at', users.expires_at)
  FROM users JOIN usage AS u ON u.user = users.id WHERE users.id = NEW.user
  ON CONFLICT (key) DO NOTHING;
END;

-- What the operator's own programs may follow. Nobody pays for them before a channel asks for the kind.
CREATE TRIGGER users_created_event AFTER INSERT ON users
WHEN EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.created')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  VALUES ('created:' || NEW.id, unixepoch(), 'user.created', NEW.id,
    json_object('user', NEW.name, 'user_id', NEW.id, 'email', NEW.email, 'expires_at', NEW.expires_at))
  ON CONFLICT (key) DO NOTHING;
END;

CREATE TRIGGER users_deleted_event AFTER UPDATE OF deleted_at ON users
WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.deleted')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  VALUES ('deleted:' || NEW.id, unixepoch(), 'user.deleted', NEW.id, json_object('user', NEW.name, 'user_id', NEW.id))
  ON CONFLICT (key) DO NOTHING;
END;

CREATE TRIGGER users_updated_event AFTER UPDATE OF name, email, note, expires_at ON users
WHEN (NEW.name, NEW.email, NEW.note, NEW.expires_at) IS NOT (OLD.name, OLD.email, OLD.note, OLD.expires_at)
  AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.updated')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  VALUES ('updated:' || NEW.id || ':' || lower(hex(randomblob(8))), unixepoch(), 'user.updated', NEW.id,
    json_object('user', NEW.name, 'user_id', NEW.id, 'email', NEW.email, 'expires_at', NEW.expires_at));
END;

CREATE TRIGGER usage_updated_event
AFTER UPDATE OF monthly_quota, total_quota, reset_strategy, reset_day, time_zone ON usage
WHEN (NEW.monthly_quota, NEW.total_quota, NEW.reset_strategy, NEW.reset_day, NEW.time_zone)
    IS NOT (OLD.monthly_quota, OLD.total_quota, OLD.reset_strategy, OLD.reset_day, OLD.time_zone)
  AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.updated')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT 'updated:' || id || ':' || lower(hex(randomblob(8))), unixepoch(), 'user.updated', id,
    json_object('user', name, 'user_id', id, 'quota', NEW.monthly_quota, 'total_quota', NEW.total_quota)
  FROM users WHERE id = NEW.user;
END;

CREATE TRIGGER usage_reset_event AFTER UPDATE OF period_start ON usage
WHEN NEW.period_start <> OLD.period_start AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.reset')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  SELECT 'reset:' || id || ':' || NEW.period_start, unixepoch(), 'user.reset', id,
    json_object('user', name, 'user_id', id, 'used', OLD.month, 'quota', OLD.monthly_quota, 'resets_at', nullif(NEW.period_end, 9007199254740991))
  FROM users WHERE id = NEW.user AND deleted_at IS NULL
  ON CONFLICT (key) DO NOTHING;
END;

-- Bytes that are ambiguous or lost.
CREATE TRIGGER node_events_event AFTER INSERT ON node_events
WHEN NEW.kind IN ('fork', 'gap') AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'node.fork')
BEGIN
  INSERT INTO events (key, at, kind, node, data)
  SELECT 'fork:' || NEW.id, NEW.at, 'node.fork', NEW.node,
    json_object('node', name, 'node_id', NEW.node, 'what', NEW.kind, 'detail', NEW.detail)
  FROM nodes WHERE id = NEW.node
  ON CONFLICT (key) DO NOTHING;
END;

-- What the database cost, by UTC day, as far as instances of the Worker have told.
CREATE TABLE cost_days (
  day INTEGER PRIMARY KEY,
  requests INTEGER NOT NULL DEFAULT 0,
  queries INTEGER NOT NULL DEFAULT 0,
  rows_read INTEGER NOT NULL DEFAULT 0,
  rows_written INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Each node's bytes of all time when a day ended: the difference of two days is what flowed in between.
CREATE TABLE report_marks (
  node INTEGER PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
