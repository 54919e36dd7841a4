//! Usage over time, read for charts: of one user, of one node, of all nodes together.
//!
//! Hours, days and months stand in three tables, each byte in one of them. Sums over the nodes of an hour come in the order of the
//! key, so nothing is sorted; the caller makes them into longer buckets ([`crate::domain::history::buckets`]).

use serde::Deserialize;
use weir_wire::{NodeId, Second};

use super::{Statement, Value};
use crate::domain::history::{Range, Row, Span};

/// A list as JSON: decoding one text is cheaper than thousands of rows.
macro_rules! rows {
    ($select:literal, $from:literal, $at:literal, $where:literal, $group:literal) => {
        concat!(
            "SELECT json_group_array(json_array(at, node, up, down)) AS rows FROM (SELECT ",
            $at,
            " AS at, ",
            $select,
            " FROM ",
            $from,
            " WHERE ",
            $where,
            " AND ",
            $at,
            " >= CAST(?1 AS INTEGER) AND ",
            $at,
            " < CAST(?2 AS INTEGER) ",
            $group,
            ")"
        )
    };
}

macro_rules! sums {
    ($from:literal, $at:literal, $where:literal, $group:literal) => {
        rows!(
            "NULL AS node, min(sum(up), 9007199254740991) AS up, min(sum(down), 9007199254740991) AS down",
            $from,
            $at,
            $where,
            $group
        )
    };
}

// Rows read by these four: 1 per (user, node, bucket) or (node, bucket) in the range.
const USER: [&str; 3] = [
    sums!("history", "hour", "user = ?3 AND (?4 IS NULL OR node = ?4)", "GROUP BY hour"),
    sums!("history_days", "day", "user = ?3 AND (?4 IS NULL OR node = ?4)", "GROUP BY day"),
    sums!("history_months", "month", "user = ?3 AND (?4 IS NULL OR node = ?4)", "GROUP BY month"),
];
const USER_NODES: [&str; 3] = [
    rows!("node, up, down", "history", "hour", "user = ?3 AND (?4 IS NULL OR node = ?4)", ""),
    rows!("node, up, down", "history_days", "day", "user = ?3 AND (?4 IS NULL OR node = ?4)", ""),
    rows!("node, up, down", "history_months", "month", "user = ?3 AND (?4 IS NULL OR node = ?4)", ""),
];
const NODE: [&str; 3] = [
    rows!("node, up, down", "node_hours", "hour", "node = ?3", ""),
    rows!("node, up, down", "node_days", "day", "node = ?3", ""),
    rows!("node, up, down", "node_months", "month", "node = ?3", ""),
];
const NODES: [&str; 3] = [
    rows!("node, up, down", "nodes CROSS JOIN node_hours ON node = nodes.id", "hour", "true", ""),
    rows!("node, up, down", "nodes CROSS JOIN node_days ON node = nodes.id", "day", "true", ""),
    rows!("node, up, down", "nodes CROSS JOIN node_months ON node = nodes.id", "month", "true", ""),
];
// Rows read: 1 per node, and 2 per (node, bucket): they are sorted by their bucket.
const ALL: [&str; 3] = [
    sums!("nodes CROSS JOIN node_hours ON node = nodes.id", "hour", "true", "GROUP BY hour"),
    sums!("nodes CROSS JOIN node_days ON node = nodes.id", "day", "true", "GROUP BY day"),
    sums!("nodes CROSS JOIN node_months ON node = nodes.id", "month", "true", "GROUP BY month"),
];

/// Whose usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A user's, on one node or on all.
    User(i64, Option<NodeId>),
    /// A node's, of all its users.
    Node(NodeId),
    /// Of all users on all nodes.
    All,
}

/// What [`read`] returns, once for each table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rows {
    rows: String,
}

impl Rows {
    /// The rows.
    ///
    /// # Errors
    /// They are not what this module's SQL makes.
    pub fn decode(&self) -> Result<Vec<Row>, serde_json::Error> {
        serde_json::from_str(&self.rows)
    }
}

/// Everything of a range, apart by node or not: one statement for each table that may hold some of it.
#[must_use]
pub fn read(whose: Whose, split: bool, range: Range) -> Vec<Statement> {
    let tables = match whose {
        Whose::User(..) if split => USER_NODES,
        Whose::User(..) => USER,
        Whose::Node(_) => NODE,
        Whose::All if split => NODES,
        Whose::All => ALL,
    };
    let owner: &[Value] = match whose {
        Whose::User(user, node) => &[Value::Int(user), node.into()],
        Whose::Node(node) => &[node.into()],
        Whose::All => &[],
    };
    // Hours are finer than what is asked for by day and by month; a month is never told by the hour.
    let count = match range.by {
        Span::Hour => 1,
        Span::Day => 2,
        Span::Month => 3,
    };
    let bound = |sql| {
        let statement = Statement::new(sql).bind(range.from).bind(range.to);
        owner.iter().cloned().fold(statement, Statement::bind)
    };
    tables.into_iter().take(count).map(bound).collect()
}

// Rows read: 2.
const WHOLE_SINCE: &str = "
SELECT CAST((SELECT value FROM meta WHERE name = 'hours_since') AS INTEGER) AS hours,
  CAST((SELECT value FROM meta WHERE name = 'days_since') AS INTEGER) AS days";

/// From when on hours and days are whole: what is older may have been folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct WholeSince {
    /// Begin of a UTC day; 0 when no hour was folded.
    pub hours: i64,
    /// Begin of a UTC month; 0 when no day was folded.
    pub days: i64,
}

/// See [`WholeSince`].
#[must_use]
pub fn whole_since() -> Statement {
    Statement::new(WHOLE_SINCE)
}

// Rows read: 1.
const IS_NODE: &str = "SELECT id FROM nodes WHERE id = ?1";

/// A row if there is, or was, such a node.
#[must_use]
pub fn is_node(node: NodeId) -> Statement {
    Statement::new(IS_NODE).bind(node)
}

/// A billing period that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Ended {
    /// Inclusive.
    pub start: Second,
    /// Exclusive.
    pub end: Second,
    /// When it would have ended if nobody had reset it; none of a period that ended before this was noted.
    pub planned_end: Option<Second>,
    /// The quota at its end, 0 = unlimited.
    pub quota: weir_wire::Bytes,
    /// Charged in it, without bonus; late reports included.
    pub bytes: weir_wire::Bytes,
    /// The user's lifetime total at its end, as far as reported then; none as `planned_end`.
    pub lifetime: Option<weir_wire::Bytes>,
    /// His spent bonus at its end.
    pub bonus_spent: Option<weir_wire::Bytes>,
}

// Rows read: 1 per period shown or left out before.
const PERIODS: &str = "
SELECT start, end, planned_end, quota, bytes, lifetime, bonus_spent FROM periods WHERE user = ?1
ORDER BY start DESC LIMIT CAST(?2 AS INTEGER) OFFSET CAST(?3 AS INTEGER)";

/// A user's periods that have ended, the newest first.
#[must_use]
pub fn periods(user: i64, limit: u32, offset: u32) -> Statement {
    Statement::new(PERIODS).bind(user).bind(limit).bind(offset)
}

// Rows read: 1 per period of the user.
const COUNT_PERIODS: &str = "SELECT count(*) AS total FROM periods WHERE user = ?1";

/// How many there are.
#[must_use]
pub fn count_periods(user: i64) -> Statement {
    Statement::new(COUNT_PERIODS).bind(user)
}
