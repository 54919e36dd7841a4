//! What the page of one user shows beside his account. However much there is of it, the page reads no more than it says here: the
//! newest rows of each key.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::Statement;
use crate::domain::history::Range;

/// Hours of one user that the page adds up at most, apart by node.
pub const HOURS: usize = 200;
/// The same for days.
pub const DAYS: usize = 60;

macro_rules! newest {
    ($table:literal, $at:literal) => {
        concat!(
            "SELECT json_group_array(json_array(at, node, up, down)) AS rows FROM (SELECT ",
            $at,
            " AS at, node, up, down FROM ",
            $table,
            " WHERE user = ?1 AND ",
            $at,
            " >= CAST(?2 AS INTEGER) AND ",
            $at,
            " < CAST(?3 AS INTEGER) ORDER BY ",
            $at,
            " DESC LIMIT ?4)"
        )
    };
}

// Rows read: 1 per (hour, node), 200 at most: the key is walked backwards and nothing is sorted.
const NEWEST_HOURS: &str = newest!("history", "hour");
// Rows read: 1 per (day, node), 60 at most.
const NEWEST_DAYS: &str = newest!("history_days", "day");

/// A user's hours and days in a range, the newest first: [`super::charts::Rows`] of each table.
#[must_use]
pub fn usage(user: i64, range: Range) -> [Statement; 2] {
    [(NEWEST_HOURS, HOURS), (NEWEST_DAYS, DAYS)].map(|(sql, most)| {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Statement::new(sql).bind(user).bind(range.from).bind(range.to).bind(most)
    })
}

// Rows read: 10 at most.
const PACKAGES: &str = "
SELECT order_id, bytes, note, bought_at, refunded_at, expired_at FROM packages WHERE user = ?1 ORDER BY id DESC LIMIT 10";

/// A package of a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// The shop's number of the order.
    pub order_id: String,
    /// Bytes.
    pub bytes: Bytes,
    /// What the operator wants to remember.
    pub note: String,
    /// When.
    pub bought_at: i64,
    /// When it was taken back.
    pub refunded_at: Option<i64>,
    /// When its rest ended.
    pub expired_at: Option<i64>,
}

/// The newest packages of a user.
#[must_use]
pub fn packages(user: i64) -> Statement {
    Statement::new(PACKAGES).bind(user)
}

// Rows read: 20 at most.
const DEVICES: &str = "SELECT id, name, os, os_version, model, client, last_at FROM devices WHERE user = ?1 LIMIT 20";

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// A hash of the id that it sent.
    pub id: String,
    /// What an operator calls it.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// That system's version.
    pub os_version: String,
    /// Model.
    pub model: String,
    /// Client family.
    pub client: String,
    /// When it was last noted.
    pub last_at: i64,
}

/// Devices that fetch a user's subscription.
#[must_use]
pub fn devices(user: i64) -> Statement {
    Statement::new(DEVICES).bind(user)
}

// Rows read: 1 per node named.
const NAMES: &str = "SELECT id, name FROM nodes WHERE id IN (SELECT value FROM json_each(?1))";

/// A node by its number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Name {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
}

/// The names of nodes, deleted ones included.
#[must_use]
pub fn names(nodes: &[u32]) -> Statement {
    Statement::new(NAMES).bind_json(&nodes)
}

// Rows read: 30 at most, 1 per hour and 1 per day of 30.
const NODE_HOURS: &str = "
SELECT json_group_array(json_array(day, NULL, up, down)) AS rows FROM (
  SELECT hour - hour % 86400 AS day, sum(up) AS up, sum(down) AS down FROM node_hours
  WHERE node = ?1 AND hour >= CAST(?2 AS INTEGER) GROUP BY hour - hour % 86400
  UNION ALL SELECT day, up, down FROM node_days WHERE node = ?1 AND day >= CAST(?2 AS INTEGER))";

/// A node's bytes by day, of all its users.
#[must_use]
pub fn node_days(node: weir_wire::NodeId, from: Second) -> Statement {
    Statement::new(NODE_HOURS).bind(node).bind(from)
}
