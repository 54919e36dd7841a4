-- What usage was, packages that end, and what a period leaves behind so that its totals can be explained.

-- Hours that nobody needs as hours any more. A day and a month are those of UTC, named by their first second.
CREATE TABLE history_days (
  user INTEGER NOT NULL,
  day INTEGER NOT NULL,
  node INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (user, day, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE history_months (
  user INTEGER NOT NULL,
  month INTEGER NOT NULL,
  node INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (user, month, node)
) STRICT, WITHOUT ROWID;

-- The same added up over the users: what a node did in a month is not a scan over everybody's rows.
CREATE TABLE node_hours (
  node INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (node, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_days (
  node INTEGER NOT NULL,
  day INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (node, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_months (
  node INTEGER NOT NULL,
  month INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (node, month)
) STRICT, WITHOUT ROWID;

INSERT INTO node_hours (node, hour, up, down)
SELECT node, hour, min(sum(up), 9007199254740991), min(sum(down), 9007199254740991) FROM history GROUP BY node, hour;

-- A report adds its users' bytes to its epoch's sums in the statement that marks it as applied; what it has added is its node's
-- hour. `last_to` is the report's end, which is exclusive.
CREATE TRIGGER epochs_hour AFTER UPDATE OF up, down ON epochs WHEN NEW.up > OLD.up OR NEW.down > OLD.down
BEGIN
  INSERT INTO node_hours (node, hour, up, down)
  VALUES (NEW.node, max(NEW.last_to - 1, 0) - max(NEW.last_to - 1, 0) % 3600, NEW.up - OLD.up, NEW.down - OLD.down)
  ON CONFLICT (node, hour) DO UPDATE SET
    up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991);
END;

CREATE TRIGGER epochs_first_hour AFTER INSERT ON epochs WHEN NEW.up > 0 OR NEW.down > 0
BEGIN
  INSERT INTO node_hours (node, hour, up, down)
  VALUES (NEW.node, max(NEW.last_to - 1, 0) - max(NEW.last_to - 1, 0) % 3600, NEW.up, NEW.down)
  ON CONFLICT (node, hour) DO UPDATE SET
    up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991);
END;

-- From when on hours and days are whole: what is older may have been folded. Unix seconds.
INSERT INTO meta (name, value) VALUES ('hours_since', '0'), ('days_since', '0');

INSERT INTO jobs (name) VALUES ('rollup');

-- What was planned, and the user's sums, when a period ended: whether a person ended it, and what is in no period's quota since.
ALTER TABLE periods ADD COLUMN planned_end INTEGER;
ALTER TABLE periods ADD COLUMN lifetime INTEGER;
ALTER TABLE periods ADD COLUMN bonus_spent INTEGER;

DROP TRIGGER usage_period;

-- A second reset within one second finds the start where it is: its bytes join the row of that start.
CREATE TRIGGER usage_period AFTER UPDATE OF period_start ON usage
WHEN NEW.period_start <> OLD.period_start OR NEW.month < OLD.month
BEGIN
  INSERT INTO periods (user, start, end, quota, bytes, planned_end, lifetime, bonus_spent)
  VALUES (OLD.user, OLD.period_start, min(OLD.period_end, NEW.period_start), OLD.monthly_quota, OLD.month,
    OLD.period_end, OLD.lifetime, OLD.bonus_spent)
  ON CONFLICT (user, start) DO UPDATE SET bytes = bytes + excluded.bytes, end = max(end, excluded.end),
    planned_end = excluded.planned_end, lifetime = excluded.lifetime, bonus_spent = excluded.bonus_spent;
END;

-- Packages may end, and say what is left of each. `remaining` is as of the last time that one of the user's packages was bought,
-- taken back or ended: reports touch the user's one counter, usage.bonus_left, and what they have taken since then is the
-- difference between the sum of the packages' `remaining` and that counter.
ALTER TABLE packages ADD COLUMN price TEXT NOT NULL DEFAULT '';
ALTER TABLE packages ADD COLUMN expires_at INTEGER;
ALTER TABLE packages ADD COLUMN remaining INTEGER NOT NULL DEFAULT 0;
-- When a job took the rest of it out of the bonus, and how much that was.
ALTER TABLE packages ADD COLUMN expired_at INTEGER;
ALTER TABLE packages ADD COLUMN expired_bytes INTEGER;

UPDATE packages SET remaining = bytes WHERE refunded_at IS NULL;

-- Empty unless a package is going to end.
CREATE INDEX packages_due ON packages (expires_at) WHERE expires_at IS NOT NULL AND expired_at IS NULL AND refunded_at IS NULL;

INSERT INTO jobs (name) VALUES ('packages');
