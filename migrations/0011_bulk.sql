-- What is done to many users at once. Whom it is done to is fixed when it is asked for: what it does moves users in and out of
-- the selection that they were found by.
CREATE TABLE bulk (
  id INTEGER PRIMARY KEY,
  created_at INTEGER NOT NULL,
  -- Who asked for it: an API key's name, or an operator's.
  entered_by TEXT NOT NULL,
  -- As the API takes them.
  selection TEXT NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'stopped', 'undoing', 'undone')),
  -- Users: chosen, changed, left as they were; restored, and left as somebody has changed them since.
  total INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  undone INTEGER NOT NULL DEFAULT 0,
  kept INTEGER NOT NULL DEFAULT 0,
  -- When it was done, stopped or undone; from then on it can be undone for a day.
  ended_at INTEGER
) STRICT;

-- Empty unless one is going on.
CREATE INDEX bulk_open ON bulk (id) WHERE state IN ('running', 'undoing');

-- One row for some hundred users, so that choosing 10,000 writes 40 rows and not 10,000.
CREATE TABLE bulk_chunks (
  bulk INTEGER NOT NULL,
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'undone')),
  -- JSON list of their numbers.
  users TEXT NOT NULL,
  -- JSON of what was changed of whom, as it was before and after (src/http/bulk/step.rs).
  steps TEXT NOT NULL DEFAULT '[]',
  -- JSON of who was left as he was, and who was not restored, with the reason.
  skipped TEXT NOT NULL DEFAULT '[]',
  kept TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (bulk, number)
) STRICT, WITHOUT ROWID;

INSERT INTO jobs (name) VALUES ('bulk');

-- Who was deleted can come back.
CREATE TRIGGER users_again AFTER UPDATE OF deleted_at ON users WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL
BEGIN
  UPDATE counters SET value = value + 1 WHERE name = 'users';
END;
