-- Backups to R2 (src/cron/backup.rs). The tables below say how far one has got; they are in no backup themselves.

-- One row. A backup is known by the second in which it began.
CREATE TABLE backup_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Until when a run works at it: a second one beside it would mix their parts.
  held_until INTEGER,
  -- When somebody asked for one; NULL: nobody waits.
  wanted_at INTEGER,
  -- The one under way, and the newest migration at its begin: another schema makes what was copied worthless.
  began_at INTEGER,
  migration TEXT,
  -- The table that is being copied, the key after which it goes on (JSON), how many parts it has, and rows of the next part at most.
  tab TEXT,
  after TEXT,
  parts INTEGER NOT NULL DEFAULT 0,
  step INTEGER NOT NULL DEFAULT 0,
  -- The newest that is complete.
  made_at INTEGER
) STRICT;

INSERT INTO backup_state (id) VALUES (1);

-- Parts of the one under way that are in the bucket.
CREATE TABLE backup_parts (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of large tables that were made, changed or deleted since their copying began. Triggers write here; they exist only
-- while a backup is under way, and only on tables that do not fit into its one batch.
CREATE TABLE backup_changes (
  tab TEXT NOT NULL,
  -- The row's primary key, a JSON list.
  key TEXT NOT NULL,
  PRIMARY KEY (tab, key)
) STRICT, WITHOUT ROWID;

-- What a job says of itself that is no error, such as why it has nothing to do.
ALTER TABLE jobs ADD COLUMN note TEXT;

INSERT INTO jobs (name) VALUES ('backup');
