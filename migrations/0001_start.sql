-- The schema of Weir. All instants are unix seconds (UTC), all sizes bytes 0..=2^53-1.
-- Hot tables (usage, slots, history, epochs) are WITHOUT ROWID and have no foreign keys: a report about a user or a node
-- that is gone must still be applied, and every index that a hot write touches is a row that the operator pays for.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The identity of this database: an agent's ledger is bound to it.
INSERT INTO meta (name, value) VALUES ('panel', lower(hex(randomblob(16))));

-- Totals that a page shows without counting rows; kept by the triggers below.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('users', 0), ('users_open', 0);

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT,
  note TEXT NOT NULL DEFAULT '',
  -- Mirror of the slot's gate (trigger slots_gate), so that a list need not join.
  gate TEXT NOT NULL,
  slot TEXT NOT NULL,
  -- Subscription tokens of lower generations are revoked.
  generation INTEGER NOT NULL DEFAULT 1,
  -- When a person shut the user out; no job undoes it.
  disabled_at INTEGER,
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  -- The next second at which the sweep has something to do: a period's end or the expiry.
  due_at INTEGER
) STRICT;

-- Names are unique without case among those who exist; a deleted user keeps his row for his history.
CREATE UNIQUE INDEX users_name ON users (name COLLATE NOCASE) WHERE deleted_at IS NULL;
CREATE INDEX users_due ON users (due_at) WHERE due_at IS NOT NULL;

CREATE TRIGGER users_more AFTER INSERT ON users
BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'users';
END;

CREATE TRIGGER users_fewer AFTER UPDATE OF deleted_at ON users WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
  UPDATE counters SET value = value - 1 WHERE name = 'users';
END;

-- One row a user: the only row that a report writes per user beside the history.
CREATE TABLE usage (
  user INTEGER PRIMARY KEY,
  monthly_quota INTEGER NOT NULL DEFAULT 0,
  total_quota INTEGER NOT NULL DEFAULT 0,
  -- When usage begins anew: `calendar_month` at 00:00 of reset_day in time_zone, or `day`, `week`, `month` (30 days), `year`
  -- after it last began, or `no_reset`.
  reset_strategy TEXT NOT NULL DEFAULT 'calendar_month',
  reset_day INTEGER NOT NULL DEFAULT 1,
  time_zone TEXT NOT NULL DEFAULT 'UTC',
  period_start INTEGER NOT NULL DEFAULT 0,
  period_end INTEGER NOT NULL DEFAULT 0,
  -- Charged bytes: in this period, over the lifetime (bonus included), of the bonus.
  month INTEGER NOT NULL DEFAULT 0,
  lifetime INTEGER NOT NULL DEFAULT 0,
  bonus_left INTEGER NOT NULL DEFAULT 0,
  bonus_spent INTEGER NOT NULL DEFAULT 0,
  -- Thousandths of a charged byte carried to the next report.
  remainder INTEGER NOT NULL DEFAULT 0,
  -- Grants: {"node:epoch:slot": [n, count, reported, held, known, spendable, answered_at]} and the two sums.
  entries TEXT NOT NULL DEFAULT '{}',
  known INTEGER NOT NULL DEFAULT 0,
  out INTEGER NOT NULL DEFAULT 0,
  -- When unspent grants of this user were last called for.
  called_at INTEGER NOT NULL DEFAULT 0,
  -- End of the newest report with bytes of this user.
  last_at INTEGER NOT NULL DEFAULT 0,
  -- Rises with every change that is not a report or an ask. A report that was prepared on an older revision fails on
  -- this NOT NULL (it writes NULL), rolls back whole, and is prepared again.
  revision INTEGER NOT NULL DEFAULT 0,
  -- Charged without bonus by the last report, for the period row that a late report belongs to.
  last_charge INTEGER NOT NULL DEFAULT 0,
  -- The last ask's answer [slot, limit], for RETURNING.
  answer TEXT,
  -- Carries an upsert's input; never stored.
  job TEXT,
  -- Carries what the sweep decided to users.due_at (trigger usage_due); means nothing afterwards.
  due INTEGER
) STRICT, WITHOUT ROWID;

-- One row read per user. An UPDATE of many users by a join reads six.
CREATE TRIGGER usage_due AFTER UPDATE OF due ON usage
BEGIN
  UPDATE users SET due_at = NEW.due WHERE id = NEW.user AND deleted_at IS NULL;
END;

-- Periods that have ended.
CREATE TABLE periods (
  user INTEGER NOT NULL,
  start INTEGER NOT NULL,
  end INTEGER NOT NULL,
  quota INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (user, start)
) STRICT, WITHOUT ROWID;

-- A second reset within one second finds the start where it is: its bytes join the row of that start.
CREATE TRIGGER usage_period AFTER UPDATE OF period_start ON usage
WHEN NEW.period_start <> OLD.period_start OR NEW.month < OLD.month
BEGIN
  INSERT INTO periods (user, start, end, quota, bytes)
  VALUES (OLD.user, OLD.period_start, min(OLD.period_end, NEW.period_start), OLD.monthly_quota, OLD.month)
  ON CONFLICT (user, start) DO UPDATE SET bytes = bytes + excluded.bytes, end = max(end, excluded.end);
END;

-- The roster: one row a slot, vacant ones included. `changed` names the roster version of the last change.
CREATE TABLE slots (
  name TEXT PRIMARY KEY,
  user INTEGER,
  gate TEXT NOT NULL CHECK (gate IN ('vacant', 'open', 'month', 'total', 'expired', 'disabled', 'retired')),
  until INTEGER,
  born INTEGER NOT NULL,
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX slots_changed ON slots (changed);
CREATE INDEX slots_vacant ON slots (born) WHERE gate = 'vacant';

CREATE TRIGGER slots_gate AFTER UPDATE OF gate ON slots WHEN NEW.gate <> OLD.gate
BEGIN
  UPDATE users SET gate = NEW.gate WHERE id = NEW.user AND slot = NEW.name;
  UPDATE counters SET value = value + (NEW.gate = 'open') - (OLD.gate = 'open')
  WHERE name = 'users_open' AND (NEW.gate = 'open') <> (OLD.gate = 'open');
END;

CREATE TABLE roster_versions (
  number INTEGER PRIMARY KEY,
  salt INTEGER NOT NULL
) STRICT;

INSERT INTO roster_versions (number, salt) VALUES (1, abs(random()) % 4294967296);

-- Bytes as the node counted them, per user, hour and node.
CREATE TABLE history (
  user INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  node INTEGER NOT NULL,
  up INTEGER NOT NULL,
  down INTEGER NOT NULL,
  PRIMARY KEY (user, hour, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  -- What clients connect to.
  address TEXT NOT NULL,
  coefficient INTEGER NOT NULL DEFAULT 1000,
  -- SHA-256 of the one-time enrolment token; kept after use so that a lost reply can be repeated.
  token_hash TEXT,
  token_expires INTEGER,
  -- The key that the token enrolled.
  token_key TEXT,
  inbounds TEXT NOT NULL DEFAULT '[]',
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  -- When what a deleted node never reported was given up.
  forgotten_at INTEGER
) STRICT;

CREATE UNIQUE INDEX nodes_name ON nodes (name COLLATE NOCASE) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX nodes_token ON nodes (token_hash) WHERE token_hash IS NOT NULL;

-- What clients can connect to, on all live nodes: a subscription fetch reads this one row, however many nodes there are.
INSERT INTO meta (name, value) VALUES ('endpoints', '[]');

CREATE TRIGGER nodes_endpoints AFTER UPDATE OF name, address, inbounds, deleted_at ON nodes
BEGIN
  UPDATE meta SET value = (
    SELECT json_group_array(json_object('node', name, 'address', address, 'inbounds', json(inbounds)))
    FROM (SELECT name, address, inbounds FROM nodes WHERE deleted_at IS NULL AND inbounds <> '[]' ORDER BY id))
  WHERE name = 'endpoints';
END;

-- SHA-256 of the node keys. Everything that a sync needs of its node stands here too, so that it reads one row.
CREATE TABLE node_keys (
  hash TEXT PRIMARY KEY,
  node INTEGER NOT NULL,
  coefficient INTEGER NOT NULL,
  node_since INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- 1 until the first sync with this key, which ends the node's older keys.
  fresh INTEGER NOT NULL DEFAULT 1,
  expires_at INTEGER,
  deleted_at INTEGER,
  -- 1 while the panel was restored to an earlier point and this node has not replayed what it knows (src/store/restored.rs).
  restored INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One row a ledger, never closed by another.
CREATE TABLE epochs (
  node INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  last_seq INTEGER NOT NULL DEFAULT 0,
  last_to INTEGER NOT NULL DEFAULT 0,
  -- Digests of the last 64 reports, the newest last.
  digests TEXT NOT NULL DEFAULT '[]',
  up INTEGER NOT NULL DEFAULT 0,
  down INTEGER NOT NULL DEFAULT 0,
  unknown INTEGER NOT NULL DEFAULT 0,
  unattributed INTEGER NOT NULL DEFAULT 0,
  outside INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  applied_at INTEGER NOT NULL DEFAULT 0,
  seen_at INTEGER NOT NULL DEFAULT 0,
  clock_off INTEGER NOT NULL DEFAULT 0,
  agent TEXT NOT NULL DEFAULT '',
  held INTEGER NOT NULL DEFAULT 0,
  loaded INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;

-- What an operator should know about a node: forks, gaps, clamped times.
CREATE TABLE node_events (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

CREATE INDEX node_events_node ON node_events (node, id);

-- Passwords are generated (128 bits), so a fast hash is enough: there is nothing to guess.
CREATE TABLE operators (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL COLLATE NOCASE UNIQUE,
  password_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Failed sign-ins. A name belongs to one of 65,536 buckets by its hash, whether somebody has that name or not: so a
-- lock-out tells nothing about who exists, and guesses cannot fill the table.
CREATE TABLE sign_ins (
  bucket INTEGER PRIMARY KEY,
  failures INTEGER NOT NULL,
  last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  hash TEXT PRIMARY KEY,
  operator INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  hash TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  -- Space-separated: users:read users:write nodes:read nodes:write stats:read
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT, WITHOUT ROWID;
