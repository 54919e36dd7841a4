-- Traffic through other people's servers, and the links to them (the Xpert API).
-- A report writes one row of xpert_fresh. A job moves those rows into xpert_days and adds them up in xpert_totals, so that
-- a sum over all users reads a row per server and day, not one per user.

-- What the operator set in the panel, and what every fetch of a list reads: one row, so that a fetch stays cheap.
CREATE TABLE xpert_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- JSON object; a field that it lacks is what the Worker's variable says.
  settings TEXT NOT NULL DEFAULT '{}',
  -- Mirror of meta's 'endpoints'.
  endpoints TEXT NOT NULL DEFAULT '[]',
  -- JSON lists of [name, link], as they are handed out: made anew with every change of sources and of direct configs.
  aggregated TEXT NOT NULL DEFAULT '[]',
  direct TEXT NOT NULL DEFAULT '[]'
) STRICT;

INSERT INTO xpert_state (id, endpoints) SELECT 1, value FROM meta WHERE name = 'endpoints';

CREATE TRIGGER xpert_endpoints AFTER UPDATE OF value ON meta WHEN NEW.name = 'endpoints'
BEGIN
  UPDATE xpert_state SET endpoints = NEW.value WHERE id = 1;
END;

-- Reports that are still to be moved. `day` counts UTC days since 1970. Sums stick at 2^53 - 1.
CREATE TABLE xpert_fresh (
  user INTEGER NOT NULL,
  day INTEGER NOT NULL,
  server TEXT NOT NULL,
  port INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  -- Bytes of both directions: of reports with a valid signature, and charged to the user's quota.
  trusted INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (user, day, server, port, protocol)
) STRICT, WITHOUT ROWID;

CREATE TABLE xpert_days (
  user INTEGER NOT NULL,
  day INTEGER NOT NULL,
  server TEXT NOT NULL,
  port INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  charged INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (user, day, server, port, protocol)
) STRICT, WITHOUT ROWID;

-- xpert_days added up over the users. `day_rows` is how many of its rows that are.
CREATE TABLE xpert_totals (
  day INTEGER NOT NULL,
  server TEXT NOT NULL,
  port INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  day_rows INTEGER NOT NULL,
  PRIMARY KEY (day, server, port, protocol)
) STRICT, WITHOUT ROWID;

-- Who reported last when, and how many reported last on each day. Every window ends today, so the users of a window are
-- those who reported last in it: a sum over days.
CREATE TABLE xpert_users (
  user INTEGER PRIMARY KEY,
  last_day INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE xpert_last_days (
  day INTEGER PRIMARY KEY,
  users INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Digests of the newest Idempotency-Keys of a user's reports, 9 letters each, the newest first. They stand in the usage
-- row because a report that is charged writes that row anyway.
ALTER TABLE usage ADD COLUMN report_keys TEXT NOT NULL DEFAULT '';

-- Other texts that stand for a user's subscription token, such as an old panel's.
CREATE TABLE aliases (
  alias TEXT PRIMARY KEY,
  user INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_user ON aliases (user);

CREATE TRIGGER aliases_gone AFTER UPDATE OF deleted_at ON users WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
  DELETE FROM aliases WHERE user = NEW.id;
END;

-- Who fetched his subscription in which hour: at most 8 entries [client family, format, second], one a family.
CREATE TABLE fetch_log (
  hour INTEGER NOT NULL,
  user INTEGER NOT NULL,
  entries TEXT NOT NULL,
  PRIMARY KEY (hour, user)
) STRICT, WITHOUT ROWID;

-- Links that the operator hands out as they are.
CREATE TABLE xpert_direct (
  id INTEGER PRIMARY KEY,
  raw TEXT NOT NULL,
  -- What the link says, read when it was stored.
  protocol TEXT NOT NULL,
  server TEXT NOT NULL,
  port INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- The operator's own note; it never changes the link.
  remarks TEXT NOT NULL DEFAULT '',
  is_active INTEGER NOT NULL DEFAULT 1,
  is_permanent INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX xpert_direct_raw ON xpert_direct (raw);

-- Subscriptions of others, fetched by a job.
CREATE TABLE xpert_sources (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL COLLATE NOCASE UNIQUE,
  url TEXT NOT NULL,
  -- Smaller comes first.
  priority INTEGER NOT NULL DEFAULT 1,
  enabled INTEGER NOT NULL DEFAULT 1,
  -- JSON: user agent, filters, limits; a field that it lacks has its default.
  rules TEXT NOT NULL DEFAULT '{}',
  -- The last good copy: JSON list of links.
  links TEXT NOT NULL DEFAULT '[]',
  config_count INTEGER NOT NULL DEFAULT 0,
  -- The provider's own Subscription-Userinfo, as sent.
  userinfo TEXT,
  -- Last attempt, last good one, and why the last attempt failed (NULL: it did not).
  tried_at INTEGER,
  good_at INTEGER,
  error TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  successes INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
