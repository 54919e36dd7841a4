-- Who did what, from where, and what was so before and after. Rows are only ever added, each in the batch of what it tells of.
-- `link` is an HMAC under AUDIT_KEY over the link before it and over the row (src/domain/audit), in hex.
CREATE TABLE audit (
  -- From 1 on without a gap.
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  -- `api_key`, `operator`, `job`, `stranger`.
  actor_kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- JSON objects without anything secret.
  before TEXT,
  after TEXT,
  -- The address that the request came from.
  origin TEXT,
  request TEXT NOT NULL,
  link TEXT NOT NULL
) STRICT;

-- The end of the chain. A batch that was prepared on an older link writes NULL into that NOT NULL column, rolls back whole, and
-- is prepared again: so two admins at once cannot fork the chain.
CREATE TABLE audit_head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  count INTEGER NOT NULL,
  link TEXT NOT NULL,
  -- HMAC under AUDIT_KEY over both; empty until the first row.
  seal TEXT NOT NULL
) STRICT;

INSERT INTO audit_head (id, count, link, seal) VALUES (1, 0, '', '');
