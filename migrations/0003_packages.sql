-- Traffic that was bought on top of the quotas. A package adds to the user's bonus, which is used after the period's quota.
CREATE TABLE packages (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL,
  -- The shop's own number of the order: it makes a repeated purchase harmless.
  order_id TEXT NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  -- Who entered it: an API key's name, or an operator's.
  entered_by TEXT NOT NULL,
  bought_at INTEGER NOT NULL,
  refunded_at INTEGER,
  -- What was left of it to take back.
  refunded_bytes INTEGER
) STRICT;

CREATE INDEX packages_user ON packages (user, id);
