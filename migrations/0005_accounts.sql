-- What an account may beside its quotas, accounts that wait for their first use, plans, and users shut for sharing.

-- What users are given together. A name stays what it is, so that a user's row can hold it and a list need not join.
CREATE TABLE plans (
  name TEXT PRIMARY KEY COLLATE NOCASE,
  -- Rises with every change. A user's `plan_version` tells what he was last given.
  version INTEGER NOT NULL DEFAULT 1,
  -- Bytes, 0 = unlimited.
  monthly_quota INTEGER NOT NULL DEFAULT 0,
  total_quota INTEGER NOT NULL DEFAULT 0,
  reset_strategy TEXT NOT NULL DEFAULT 'calendar_month',
  -- NULL leaves the day to the user.
  reset_day INTEGER,
  -- Of a new account, 0 = without end.
  duration_days INTEGER NOT NULL DEFAULT 0,
  -- Bytes a second in each direction; devices; streams; 0 = no limit.
  speed_limit INTEGER NOT NULL DEFAULT 0,
  device_limit INTEGER NOT NULL DEFAULT 0,
  stream_limit INTEGER NOT NULL DEFAULT 0,
  -- Addresses in five minutes; NULL = the deployment's own limit, 0 = none.
  address_limit INTEGER,
  -- The version that a job is giving to the plan's users; NULL = none.
  applying INTEGER
) STRICT, WITHOUT ROWID;

INSERT INTO plans (name, monthly_quota, speed_limit, device_limit) VALUES
  ('free', 10 * 1073741824, 1024 * 1024, 2),
  ('basic', 100 * 1073741824, 5120 * 1024, 5),
  ('premium', 500 * 1073741824, 10240 * 1024, 10),
  ('unlimited', 0, 0, 0);

INSERT INTO jobs (name) VALUES ('plans');

ALTER TABLE users ADD COLUMN plan TEXT COLLATE NOCASE;
ALTER TABLE users ADD COLUMN plan_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN speed_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN device_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN stream_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN address_limit INTEGER;
-- Shut for sharing until then.
ALTER TABLE users ADD COLUMN suspended_until INTEGER;
-- Days after the expiry on which the account is deleted; NULL = never.
ALTER TABLE users ADD COLUMN delete_after_days INTEGER;
-- The plan that begins when this account is used up or expired: on either (1), or when it is both (0); what is left of
-- the quota becomes a bonus (1) or is lost (0).
ALTER TABLE users ADD COLUMN next_plan TEXT COLLATE NOCASE;
ALTER TABLE users ADD COLUMN next_keeps_rest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN next_on_either INTEGER NOT NULL DEFAULT 1;

-- Only who has a plan pays for these.
CREATE INDEX users_plan ON users (plan, plan_version) WHERE plan IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX users_next_plan ON users (next_plan) WHERE next_plan IS NOT NULL AND deleted_at IS NULL;

-- On hold: the account's length in seconds, which begins with its first use (0 = it is not on hold); uses before `hold_since`
-- do not count; at `hold_until` it begins unused. A report reads this row anyway.
ALTER TABLE usage ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN hold_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN hold_until INTEGER;

-- The roster again, with the gate 'sharing' and with what the nodes enforce: a sync reads no other table.
CREATE TABLE slots_new (
  name TEXT PRIMARY KEY,
  user INTEGER,
  gate TEXT NOT NULL CHECK (gate IN ('vacant', 'open', 'month', 'total', 'expired', 'disabled', 'sharing', 'retired')),
  until INTEGER,
  -- As in users.
  speed INTEGER NOT NULL DEFAULT 0,
  devices INTEGER NOT NULL DEFAULT 0,
  streams INTEGER NOT NULL DEFAULT 0,
  -- 1: a plan is queued, which begins when this gate shuts.
  queued INTEGER NOT NULL DEFAULT 0,
  born INTEGER NOT NULL,
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO slots_new (name, user, gate, until, born, changed) SELECT name, user, gate, until, born, changed FROM slots;
DROP TABLE slots;
ALTER TABLE slots_new RENAME TO slots;

CREATE INDEX slots_changed ON slots (changed);
CREATE INDEX slots_vacant ON slots (born) WHERE gate = 'vacant';

CREATE TRIGGER slots_gate AFTER UPDATE OF gate ON slots WHEN NEW.gate <> OLD.gate
BEGIN
  UPDATE users SET gate = NEW.gate WHERE id = NEW.user AND slot = NEW.name;
  UPDATE counters SET value = value + (NEW.gate = 'open') - (OLD.gate = 'open')
  WHERE name = 'users_open' AND (NEW.gate = 'open') <> (OLD.gate = 'open');
END;

-- A report that uses up an account calls the sweep for the plan that is queued. Rows, of who has one: 2 read, 3 written.
CREATE TRIGGER slots_next_plan AFTER UPDATE OF gate ON slots
WHEN NEW.queued = 1 AND NEW.gate <> OLD.gate AND NEW.gate IN ('month', 'total', 'expired')
BEGIN
  UPDATE users SET due_at = 0 WHERE id = NEW.user AND slot = NEW.name AND next_plan IS NOT NULL;
  UPDATE jobs SET next_at = 0 WHERE changes() > 0 AND name = 'sweep';
END;
