//! Bytes by node over a span, as Marzban's API asks for them.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::Statement;

/// From one instant to another, both inclusive. Hours count wholly, and of what was folded, days and months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant.
    pub from: Second,
    /// Last instant.
    pub to: Second,
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A user's.
    User(i64),
    /// Of all users of these operators, by name.
    Admins(&'a [String]),
    /// Of all users of an operator, by number.
    Owner(i64),
    /// Of all users.
    All,
}

/// Bytes of a node, in one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Used {
    /// The node, which may be gone.
    pub node: u32,
    /// Bytes of both directions.
    pub bytes: Bytes,
}

macro_rules! sums {
    ($select:literal, $from:literal, $at:literal, $first:literal) => {
        concat!(
            "SELECT node, min(sum(up + down), 9007199254740991) AS bytes FROM ",
            $from,
            " WHERE ",
            $select,
            " AND ",
            $at,
            " >= ",
            $first,
            " AND ",
            $at,
            " <= CAST(?2 AS INTEGER) GROUP BY node"
        )
    };
}
macro_rules! hours_days_months {
    ($select:literal, $hours:literal, $days:literal, $months:literal) => {
        [
            sums!($select, $hours, "hour", "CAST(?1 AS INTEGER) / 3600 * 3600"),
            sums!($select, $days, "day", "CAST(?1 AS INTEGER) / 86400 * 86400"),
            sums!($select, $months, "month", "unixepoch(CAST(?1 AS INTEGER), 'unixepoch', 'start of month')"),
        ]
    };
}

// Rows read: 1 per (user, node, hour or day or month) in the span.
const USER: [&str; 3] = hours_days_months!("user = ?3", "history", "history_days", "history_months");
const ADMINS: [&str; 3] = hours_days_months!(
    "user IN (SELECT users.id FROM users JOIN operators ON operators.id = users.owner
  WHERE users.owner IS NOT NULL AND operators.name IN (SELECT value FROM json_each(?3)))",
    "history",
    "history_days",
    "history_months"
);
const OWNER: [&str; 3] =
    hours_days_months!("user IN (SELECT id FROM users WHERE owner = ?3)", "history", "history_days", "history_months");
// Rows read: 1 per node, and 1 per (node, hour or day or month) in the span.
const ALL: [&str; 3] = hours_days_months!(
    "true",
    "nodes CROSS JOIN node_hours ON node = nodes.id",
    "nodes CROSS JOIN node_days ON node = nodes.id",
    "nodes CROSS JOIN node_months ON node = nodes.id"
);

/// Bytes by node: one statement a table, whose rows add up.
#[must_use]
pub fn used(of: Of<'_>, span: Span) -> [Statement; 3] {
    let tables = match of {
        Of::User(_) => USER,
        Of::Admins(_) => ADMINS,
        Of::Owner(_) => OWNER,
        Of::All => ALL,
    };
    tables.map(|sql| {
        let statement = Statement::new(sql).bind(span.from).bind(span.to);
        match of {
            Of::User(id) | Of::Owner(id) => statement.bind(id),
            Of::Admins(names) => statement.bind_json(&names),
            Of::All => statement,
        }
    })
}

// Rows read: 1 per node that was ever entered.
const NODES: &str = "SELECT id, name FROM nodes WHERE deleted_at IS NULL ORDER BY id";

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
}

/// The nodes that are not deleted.
#[must_use]
pub const fn nodes() -> Statement {
    Statement::new(NODES)
}
