//! What the daily report is made of.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::Statement;
use crate::domain::notice::report::Cost;

// Rows read: 1 per user, 1 per hour and node of each who had traffic, and 2 for each of ten. Whoever had none is known from
// his usage row.
const TOP_USERS: &str = "
SELECT users.name, top.bytes, top.active FROM (
  SELECT user, min(bytes, 9007199254740991) AS bytes, count(*) OVER () AS active FROM (
    SELECT u.user, (SELECT sum(h.up + h.down) FROM history AS h
      WHERE h.user = u.user AND h.hour >= CAST(?1 AS INTEGER) AND h.hour < CAST(?2 AS INTEGER)) AS bytes
    FROM usage AS u WHERE u.last_at > CAST(?1 AS INTEGER))
  WHERE bytes > 0 ORDER BY bytes DESC, user LIMIT 10) AS top JOIN users ON users.id = top.user
ORDER BY top.bytes DESC, users.id";

/// A user of the day.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Top {
    /// Name.
    pub name: String,
    /// Bytes of the day.
    pub bytes: Bytes,
    /// Users with traffic on that day, in every row.
    pub active: u64,
}

/// The ten users with the most bytes from `from` to `to`.
#[must_use]
pub fn top_users(from: Second, to: Second) -> Statement {
    Statement::new(TOP_USERS).bind(from).bind(to)
}

// Rows read: 1 per node, 2 per node at most for its mark, and 1 per ledger.
const NODES: &str = "
SELECT n.id, n.name, n.deleted_at IS NULL AS live, max(coalesce(e.seen_at, 0)) AS seen_at,
  min(coalesce(sum(e.up + e.down), 0), 9007199254740991) AS bytes, coalesce(m.bytes, 0) AS told
FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id LEFT JOIN report_marks AS m ON m.node = n.id GROUP BY n.id";

/// A node, deleted ones included: their last bytes are told too.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Node {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// 1 unless it was deleted.
    pub live: i64,
    /// When it was last heard of; 0: never.
    pub seen_at: i64,
    /// Bytes of all time.
    pub bytes: Bytes,
    /// Of them, those that were told in a report.
    pub told: Bytes,
}

/// All nodes.
#[must_use]
pub fn nodes() -> Statement {
    Statement::new(NODES)
}

// Rows read: 1 per node; written: 1 per node whose bytes have grown.
const MARK: &str = "
INSERT INTO report_marks (node, bytes) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
ON CONFLICT (node) DO UPDATE SET bytes = excluded.bytes WHERE bytes <> excluded.bytes";

/// What was told of a node: `[node, bytes of all time]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Told(
    /// Node.
    pub u32,
    /// Bytes.
    pub Bytes,
);

/// Notes what a report tells of the nodes.
#[must_use]
pub fn mark(told: &[Told]) -> Statement {
    Statement::new(MARK).bind_json(&told)
}

// Rows read: 1 per user; once a day.
const LIMITED: &str = "
SELECT count(*) AS limited FROM users WHERE deleted_at IS NULL AND gate IN ('month', 'total')";

/// What [`limited`] returns.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Limited {
    /// Users.
    pub limited: u64,
}

/// How many users a quota keeps shut.
#[must_use]
pub fn limited() -> Statement {
    Statement::new(LIMITED)
}

// Rows: 1 read, 1 written.
const SPEND: &str = "
INSERT INTO cost_days (day, requests, queries, rows_read, rows_written) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (day) DO UPDATE SET requests = requests + excluded.requests, queries = queries + excluded.queries,
  rows_read = rows_read + excluded.rows_read, rows_written = rows_written + excluded.rows_written";

/// Adds what an instance of the Worker has spent to a UTC day, counted since 1970.
#[must_use]
pub fn spend(day: i64, cost: Cost) -> Statement {
    let number = |number: u64| Bytes::saturating(number);
    Statement::new(SPEND)
        .bind(day)
        .bind(number(cost.requests))
        .bind(number(cost.queries))
        .bind(number(cost.rows_read))
        .bind(number(cost.rows_written))
}

// Rows read: 1.
const SPENT: &str = "SELECT requests, queries, rows_read, rows_written FROM cost_days WHERE day = CAST(?1 AS INTEGER)";

/// What a UTC day has cost as far as it is known; no row when it is not.
#[must_use]
pub fn spent(day: i64) -> Statement {
    Statement::new(SPENT).bind(day)
}
