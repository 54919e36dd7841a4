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

-- The same added up over the users, by the report itself: what a node did in a month is not a scan over everybody's rows.
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
