-- The log of fetches by the day first: what a user fetched last is found by one look a day, and so is all that he fetched. By the hour first the one
-- took up to 168 looks, and the other read what everybody had fetched. What is too old goes day by day.

CREATE TABLE fetch_log_by_day (
  -- UTC days since 1970, of the hour.
  day INTEGER NOT NULL,
  user INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  entries TEXT NOT NULL,
  PRIMARY KEY (day, user, hour),
  CHECK (day = hour / 86400)
) STRICT, WITHOUT ROWID;
INSERT INTO fetch_log_by_day (day, user, hour, entries) SELECT hour / 86400, user, hour, entries FROM fetch_log;
DROP TABLE fetch_log;
ALTER TABLE fetch_log_by_day RENAME TO fetch_log;
