-- Jobs that run by the clock. One trigger a minute looks here which of them are due, so the number of jobs is free and a
-- missed run is caught up. A job that has nothing to say writes no row but these.
CREATE TABLE jobs (
  name TEXT PRIMARY KEY,
  -- From when on it is due. While it runs: when it is begun again if nothing more is heard of it.
  next_at INTEGER NOT NULL DEFAULT 0,
  -- Begin of the last run, whether it came to an end or not.
  started_at INTEGER,
  -- End of the last run that came to an end, and what it cost.
  ended_at INTEGER,
  lasted_ms INTEGER NOT NULL DEFAULT 0,
  queries INTEGER NOT NULL DEFAULT 0,
  rows_read INTEGER NOT NULL DEFAULT 0,
  rows_written INTEGER NOT NULL DEFAULT 0,
  -- Runs since the last good one that failed or were cut off, and why the last of them failed (NULL: it was cut off).
  failures INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  -- Where a job that works in chunks goes on, in its own words.
  cursor TEXT
) STRICT, WITHOUT ROWID;

INSERT INTO jobs (name) VALUES ('pool'), ('reports'), ('retention'), ('sweep');

-- What an operator sets in the panel: one row an area, JSON; a field that it lacks has its default.
CREATE TABLE settings (
  area TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
