//! What was reported: of one user from his rows, of all of them from the rows that were added up.
//!
//! [`fold`] moves reports from `xpert_fresh` into `xpert_days` and adds them up. Until then they are read beside the sums,
//! so that an answer never lags.

use serde::Deserialize;

use super::Statement;

// Grouped by day, which is the order of the key: any other grouping would sort, and rows that are sorted count as read
// again. Rows read: one per (server, port, protocol, day) of the user in the window; today's twice when they were folded
// before.
const OF_USER: &str = "
SELECT day, json_group_array(json_array(server, port, protocol, up, down, last_at)) AS servers
FROM xpert_days WHERE user = ?1 AND day >= CAST(?2 AS INTEGER) GROUP BY day
UNION ALL
SELECT day, json_group_array(json_array(server, port, protocol, up, down, last_at)) AS servers
FROM xpert_fresh WHERE user = ?1 AND day >= CAST(?2 AS INTEGER) GROUP BY day";

/// One day of a user. A day may come twice, once with what was folded and once with what was not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DayRow {
    /// UTC day since 1970.
    pub day: i64,
    /// JSON list of [`crate::domain::xpert::servers::Seen`].
    pub servers: String,
}

/// A user's days from `first_day` on.
#[must_use]
pub fn of_user(user: i64, first_day: i64) -> Statement {
    Statement::new(OF_USER).bind(user).bind(first_day)
}

// The rows of xpert_fresh that xpert_days does not have, and its users who have not reported since the window began.
// Rows read: one per (server, port, protocol, day) in the window, one per day, and three per row that is still to be
// folded.
const OF_ALL: &str = "
WITH per_server AS MATERIALIZED (
  SELECT server, port, protocol, sum(bytes) AS bytes, sum(day_rows) AS day_rows FROM (
    SELECT server, port, protocol, up + down AS bytes, day_rows FROM xpert_totals WHERE day >= CAST(?1 AS INTEGER)
    UNION ALL
    SELECT f.server, f.port, f.protocol, f.up + f.down, d.user IS NULL FROM xpert_fresh AS f
    LEFT JOIN xpert_days AS d ON d.user = f.user AND d.day = f.day AND d.server = f.server AND d.port = f.port
      AND d.protocol = f.protocol
    WHERE f.day >= CAST(?1 AS INTEGER))
  GROUP BY server, port, protocol)
SELECT count(DISTINCT server) AS servers, count(DISTINCT protocol) AS protocols,
  min(coalesce(sum(bytes), 0), 9007199254740991) AS bytes, coalesce(sum(day_rows), 0) AS day_rows,
  (SELECT coalesce(sum(users), 0) FROM xpert_last_days WHERE day >= CAST(?1 AS INTEGER))
    + (SELECT count(*) FROM (SELECT DISTINCT user AS of_user FROM xpert_fresh WHERE day >= CAST(?1 AS INTEGER))
       LEFT JOIN xpert_users AS u ON u.user = of_user WHERE u.user IS NULL OR u.last_day < CAST(?1 AS INTEGER)) AS users,
  (SELECT json_group_array(json_array(server, port, protocol, min(bytes, 9007199254740991)))
    FROM (SELECT * FROM per_server ORDER BY bytes DESC, server, port, protocol LIMIT 10)) AS top
FROM per_server";

/// All users together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AllRow {
    /// Users with a report.
    pub users: u64,
    /// Servers, by name.
    pub servers: u64,
    /// Protocols.
    pub protocols: u64,
    /// Bytes of both directions.
    pub bytes: u64,
    /// Stored (user, server, port, protocol, day) rows.
    pub day_rows: u64,
    /// JSON `[[server, port, protocol, bytes], ..]`, at most 10, the busiest first.
    pub top: String,
}

/// All users from `first_day` on. From day 0 on it is everything that is stored.
#[must_use]
pub fn of_all(first_day: i64) -> Statement {
    Statement::new(OF_ALL).bind(first_day)
}

// Moves all of xpert_fresh. Each statement reads it once; the sums come first, because they ask what is not there yet.
// Rows written: 2 per row moved, 1 per (server, port, protocol, day), 1 per user whose last day moves, and 2 a day.
const ADD_UP: &str = "
INSERT INTO xpert_totals (day, server, port, protocol, up, down, day_rows)
SELECT f.day, f.server, f.port, f.protocol, min(sum(f.up), 9007199254740991), min(sum(f.down), 9007199254740991),
  sum(d.user IS NULL)
FROM xpert_fresh AS f LEFT JOIN xpert_days AS d ON d.user = f.user AND d.day = f.day AND d.server = f.server
  AND d.port = f.port AND d.protocol = f.protocol
WHERE true GROUP BY f.day, f.server, f.port, f.protocol
ON CONFLICT (day, server, port, protocol) DO UPDATE SET up = min(up + excluded.up, 9007199254740991),
  down = min(down + excluded.down, 9007199254740991), day_rows = day_rows + excluded.day_rows";

const LEAVE_LAST_DAY: &str = "
INSERT INTO xpert_last_days (day, users)
SELECT u.last_day, -count(*) FROM (SELECT user AS of_user, max(day) AS day FROM xpert_fresh GROUP BY user) AS f
JOIN xpert_users AS u ON u.user = f.of_user WHERE f.day > u.last_day GROUP BY u.last_day
ON CONFLICT (day) DO UPDATE SET users = users + excluded.users";

const ENTER_LAST_DAY: &str = "
INSERT INTO xpert_last_days (day, users)
SELECT f.day, count(*) FROM (SELECT user AS of_user, max(day) AS day FROM xpert_fresh GROUP BY user) AS f
LEFT JOIN xpert_users AS u ON u.user = f.of_user WHERE u.user IS NULL OR f.day > u.last_day GROUP BY f.day
ON CONFLICT (day) DO UPDATE SET users = users + excluded.users";

const SEE_USERS: &str = "
INSERT INTO xpert_users (user, last_day) SELECT user, max(day) FROM xpert_fresh WHERE true GROUP BY user
ON CONFLICT (user) DO UPDATE SET last_day = excluded.last_day WHERE excluded.last_day > last_day";

const MOVE: &str = "
INSERT INTO xpert_days (user, day, server, port, protocol, up, down, trusted, charged, last_at)
SELECT user, day, server, port, protocol, up, down, trusted, charged, last_at FROM xpert_fresh WHERE true
ON CONFLICT (user, day, server, port, protocol) DO UPDATE SET
  up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991),
  trusted = min(trusted + excluded.trusted, 9007199254740991),
  charged = min(charged + excluded.charged, 9007199254740991), last_at = max(last_at, excluded.last_at)";

const EMPTY: &str = "DELETE FROM xpert_fresh";

/// Moves every report into the days and adds it up; one batch.
#[must_use]
pub fn fold() -> [Statement; 6] {
    [ADD_UP, LEAVE_LAST_DAY, ENTER_LAST_DAY, SEE_USERS, MOVE, EMPTY].map(Statement::new)
}

// Rows read: at most ?1.
const WAITING: &str = "SELECT count(*) AS waiting FROM (SELECT 1 FROM xpert_fresh LIMIT ?1)";

/// What [`waiting`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Waiting {
    /// Rows.
    pub waiting: u32,
}

/// How many rows wait to be folded, `most` at most.
#[must_use]
pub fn waiting(most: u32) -> Statement {
    Statement::new(WAITING).bind(most)
}

/// Rows that one statement deletes at most.
pub const FORGET: u32 = 5_000;

// Rows: 1 read per user until enough rows are found, 2 read and 1 written per row deleted.
const FORGET_ROWS: &str = "
DELETE FROM xpert_days WHERE (user, day, server, port, protocol) IN (
  SELECT d.user, d.day, d.server, d.port, d.protocol FROM xpert_users AS u
  CROSS JOIN xpert_days AS d ON d.user = u.user AND d.day < CAST(?1 AS INTEGER) LIMIT ?2)";
const FORGET_TOTALS: &str = "DELETE FROM xpert_totals WHERE day < CAST(?1 AS INTEGER)";
const FORGET_LAST_DAYS: &str = "DELETE FROM xpert_last_days WHERE day < CAST(?1 AS INTEGER)";
const FORGET_USERS: &str = "DELETE FROM xpert_users WHERE last_day < CAST(?1 AS INTEGER)";

/// Deletes up to [`FORGET`] rows of days before `first_day`. Everything must have been folded before.
#[must_use]
pub fn forget_rows(first_day: i64) -> Statement {
    Statement::new(FORGET_ROWS).bind(first_day).bind(FORGET)
}

/// Deletes the sums of days before `first_day`, after their rows.
#[must_use]
pub fn forget_sums(first_day: i64) -> [Statement; 3] {
    [FORGET_TOTALS, FORGET_LAST_DAYS, FORGET_USERS].map(|sql| Statement::new(sql).bind(first_day))
}
