//! Nodes as Marzban's API has them.

use serde::Deserialize;
use weir_wire::{Bytes, NodeId, Second};

use super::Statement;

/// A node with what its newest ledger says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Row {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// What clients connect to.
    pub address: String,
    /// Per mille.
    pub coefficient: u32,
    /// Kept for Marzban's clients.
    pub port: u16,
    /// Kept for Marzban's clients.
    pub api_port: u16,
    /// When it was last heard, to the minute.
    pub seen_at: Option<i64>,
    /// JSON of [`weir_wire::status::NodeStatus`].
    pub status: Option<String>,
}

macro_rules! rows {
    ($where:literal) => {
        concat!(
            "SELECT n.id, n.name, n.address, n.coefficient, n.port, n.api_port, e.seen_at, e.status
FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id
  AND e.epoch = (SELECT epoch FROM epochs WHERE node = n.id ORDER BY seen_at DESC, created_at DESC LIMIT 1)
WHERE n.deleted_at IS NULL",
            $where
        )
    };
}

// Rows read: 1 per node, and 2 per ledger of it.
const LIST: &str = rows!(" ORDER BY n.id");
const ONE: &str = rows!(" AND n.id = ?1");

/// All nodes, in the order of their creation.
#[must_use]
pub const fn list() -> Statement {
    Statement::new(LIST)
}

/// One node.
#[must_use]
pub fn one(node: NodeId) -> Statement {
    Statement::new(ONE).bind(node)
}

// Rows: 2 read, 1 written.
const SET_PORTS: &str =
    "UPDATE nodes SET port = ?2, api_port = ?3 WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL";

/// Keeps a node's ports.
#[must_use]
pub fn set_ports(name: &str, port: u16, api_port: u16) -> Statement {
    Statement::new(SET_PORTS).bind(name).bind(u32::from(port)).bind(u32::from(api_port))
}

// Rows: 1 read, 1 written.
const SET_COEFFICIENT: &str = "UPDATE nodes SET coefficient = CAST(?2 AS INTEGER) WHERE id = ?1";
// Rows: 1 read per key of all nodes, 1 written per key of the node.
const TELL_COEFFICIENT: &str = "UPDATE node_keys SET coefficient = CAST(?2 AS INTEGER) WHERE node = ?1";

/// Reports that come from now on are charged so, and asks are answered so. What the node holds of limits is in its own bytes and stays:
/// each entry in `usage` keeps what it stands for, and takes the new coefficient with the next report or ask.
#[must_use]
pub fn set_coefficient(node: NodeId, coefficient: u32) -> [Statement; 2] {
    [SET_COEFFICIENT, TELL_COEFFICIENT].map(|sql| Statement::new(sql).bind(node).bind(coefficient))
}

/// A node's bytes in a span.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Usage {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Bytes from clients.
    pub up: Bytes,
    /// Bytes to clients.
    pub down: Bytes,
}

// A bucket counts whose begin lies in the span; the span begins with the hour, day or month that has its start.
// Rows read: 1 per node, and 1 per bucket of each node in the span, twice.
macro_rules! sum {
    ($what:literal) => {
        concat!(
            "(SELECT min(coalesce(sum(bytes), 0), 9007199254740991) FROM (
    SELECT ",
            $what,
            " AS bytes FROM node_hours WHERE node = n.id AND hour >= since - since % 3600 AND hour <= until
    UNION ALL SELECT ",
            $what,
            " FROM node_days WHERE node = n.id AND day >= since - since % 86400 AND day <= until
    UNION ALL SELECT ",
            $what,
            " FROM node_months WHERE node = n.id AND month >= unixepoch(since, 'unixepoch', 'start of month') AND month <= until))"
        )
    };
}
const USAGE: &str = concat!(
    "SELECT n.id, n.name, ",
    sum!("up"),
    " AS up, ",
    sum!("down"),
    " AS down FROM (SELECT CAST(?1 AS INTEGER) AS since, CAST(?2 AS INTEGER) AS until) CROSS JOIN nodes AS n
WHERE n.deleted_at IS NULL ORDER BY n.id"
);

/// What each node moved from `since` to `until`.
#[must_use]
pub fn usage(since: Second, until: Second) -> Statement {
    Statement::new(USAGE).bind(since).bind(until)
}
