//! Folds hours into days and days into months, so that history stays small. A day and a month are those of UTC that contain the
//! hour's first second.
//!
//! What is folded is added and deleted in one batch: cut off anywhere, no byte is lost and none counts twice. A report for an hour
//! that was folded makes that hour anew, and the next fold adds it to its day.
//!
//! The key of `history` begins with the user, so that one user's chart reads his rows only. Everybody's old hours are therefore no
//! range of it; they are looked for user by user, one seek each, and only those who have some are folded.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

/// Users that one statement looks at.
pub const USERS: u32 = 2_000;
/// Rows that one statement folds at most.
pub const ROWS: u32 = 10_000;

// Rows read: 1 per user looked at, and 1 for each list that he gets into.
const FIND: &str = "
SELECT max(user) AS last, count(*) AS seen,
  json_group_array(user) FILTER (
    WHERE EXISTS (SELECT 1 FROM history AS h WHERE h.user = u.user AND h.hour < CAST(?2 AS INTEGER))) AS with_hours,
  json_group_array(user) FILTER (
    WHERE EXISTS (SELECT 1 FROM history_days AS d WHERE d.user = u.user AND d.day < CAST(?3 AS INTEGER))) AS with_days
FROM (SELECT user FROM usage WHERE user > CAST(?1 AS INTEGER) ORDER BY user LIMIT CAST(?4 AS INTEGER)) AS u";

/// What [`find`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// The last user looked at; none when there is nobody left.
    pub last: Option<i64>,
    /// Users looked at.
    pub seen: u32,
    /// JSON list of those who have old hours.
    pub with_hours: String,
    /// JSON list of those who have old days.
    pub with_days: String,
}

/// What is old: hours that began before one instant, days that began before another. Both are bounds of whole days and months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old {
    /// Begin of a UTC day.
    pub hours: Second,
    /// Begin of a UTC month.
    pub days: Second,
}

/// Looks at up to `users` users after `after` for something old.
#[must_use]
pub fn find(after: i64, old: Old, users: u32) -> Statement {
    Statement::new(FIND).bind(after).bind(old.hours).bind(old.days).bind(users)
}

// A fold is two statements that take the same rows: the loop's order is fixed, and the table has one index, its key.
// Rows: 7 read per row taken (2 to add it, 4 to delete it, and the keys); written 1 per row taken and 1 per row that they make. What
// is written costs a thousand times what is read, so nothing is spared here. A user of 2 nodes who is busy for 12 hours costs 26
// rows written; his reports of that day cost some 290.
macro_rules! fold {
    (of $keys:literal, $owner:literal, from $from:literal ($columns:literal, $at:literal), to $to:literal ($into:literal, $select:literal)) => {
        [
            concat!(
                "INSERT INTO ",
                $to,
                " (",
                $into,
                ", up, down)
SELECT ",
                $select,
                ", min(sum(up), 9007199254740991), min(sum(down), 9007199254740991)
FROM (SELECT f.* FROM ",
                taken!($keys, $owner, $from, $at),
                ") WHERE true GROUP BY ",
                $select,
                "
ON CONFLICT (",
                $into,
                ") DO UPDATE SET
  up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991)"
            ),
            concat!(
                "DELETE FROM ",
                $from,
                " WHERE (",
                $columns,
                ") IN (SELECT ",
                $columns,
                " FROM ",
                taken!($keys, $owner, $from, $at),
                ")"
            ),
        ]
    };
}

macro_rules! taken {
    ($keys:literal, $owner:literal, $from:literal, $at:literal) => {
        concat!(
            $keys,
            " AS k CROSS JOIN ",
            $from,
            " AS f ON f.",
            $owner,
            " = k.value AND f.",
            $at,
            " < CAST(?1 AS INTEGER) LIMIT CAST(?2 AS INTEGER)"
        )
    };
}

const HOURS: [&str; 2] = fold!(of "json_each(?3)", "user", from "history" ("user, hour, node", "hour"),
    to "history_days" ("user, day, node", "user, hour - hour % 86400, node"));
const DAYS: [&str; 2] = fold!(of "json_each(?3)", "user", from "history_days" ("user, day, node", "day"),
    to "history_months" ("user, month, node", "user, unixepoch(day, 'unixepoch', 'start of month'), node"));
const NODE_HOURS: [&str; 2] = fold!(of "(SELECT id AS value FROM nodes)", "node", from "node_hours" ("node, hour", "hour"),
    to "node_days" ("node, day", "node, hour - hour % 86400"));
const NODE_DAYS: [&str; 2] = fold!(of "(SELECT id AS value FROM nodes)", "node", from "node_days" ("node, day", "day"),
    to "node_months" ("node, month", "node, unixepoch(day, 'unixepoch', 'start of month')"));

/// Folds up to `rows` old hours of the users in a JSON list into days. One batch; the last statement changes as many rows as were
/// taken.
#[must_use]
pub fn hours(users: &str, old: Old, rows: u32) -> [Statement; 2] {
    HOURS.map(|sql| Statement::new(sql).bind(old.hours).bind(rows).bind(users))
}

/// Folds up to `rows` old days of the users in a JSON list into months, as [`hours`].
#[must_use]
pub fn days(users: &str, old: Old, rows: u32) -> [Statement; 2] {
    DAYS.map(|sql| Statement::new(sql).bind(old.days).bind(rows).bind(users))
}

/// Folds up to `rows` old hours of nodes, as [`hours`].
#[must_use]
pub fn node_hours(old: Old, rows: u32) -> [Statement; 2] {
    NODE_HOURS.map(|sql| Statement::new(sql).bind(old.hours).bind(rows))
}

/// Folds up to `rows` old days of nodes, as [`hours`].
#[must_use]
pub fn node_days(old: Old, rows: u32) -> [Statement; 2] {
    NODE_DAYS.map(|sql| Statement::new(sql).bind(old.days).bind(rows))
}

// Rows: 2 read, 2 written when a bound moves. It never moves back: what was folded stays folded.
const MARK: &str = "
UPDATE meta SET value = CAST(CASE name WHEN 'hours_since' THEN CAST(?1 AS INTEGER) ELSE CAST(?2 AS INTEGER) END AS TEXT)
WHERE name IN ('hours_since', 'days_since')
  AND CAST(value AS INTEGER) < CASE name WHEN 'hours_since' THEN CAST(?1 AS INTEGER) ELSE CAST(?2 AS INTEGER) END";

/// Says from when on hours and days are whole. It comes before anything is folded.
#[must_use]
pub fn mark(old: Old) -> Statement {
    Statement::new(MARK).bind(old.hours).bind(old.days)
}
