//! What the overview page shows: totals, nodes, and users in the order of their creation.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_wire::{Bytes, NodeId, Second};

use super::Statement;
use super::users::columns;
use crate::domain::ledgers;

// Rows read: 2.
const TOTALS: &str = "
SELECT (SELECT value FROM counters WHERE name = 'users') AS users,
  (SELECT value FROM counters WHERE name = 'users_open') AS users_open";

/// What is counted without counting rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Totals {
    /// Users.
    pub users: u64,
    /// Users who may pass.
    pub users_open: u64,
}

// Rows read: 2, and 1 per ledger.
const ALL_TIME: &str = "
SELECT (SELECT value FROM counters WHERE name = 'users') AS users,
  (SELECT value FROM counters WHERE name = 'users_open') AS users_open,
  (SELECT min(coalesce(sum(up + down), 0), 9007199254740991) FROM epochs) AS bytes";

/// What the panel has seen since it exists.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct AllTime {
    /// Users.
    pub users: u64,
    /// Users who may pass.
    pub users_open: u64,
    /// Bytes of users, up and down, deleted ones included.
    pub bytes: Bytes,
}

// Rows read: 1 per ledger.
const DIRECTIONS: &str = "
SELECT min(coalesce(sum(up), 0), 9007199254740991) AS up, min(coalesce(sum(down), 0), 9007199254740991) AS down FROM epochs";

/// Bytes of all nodes and all time.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Directions {
    /// From clients.
    pub up: Bytes,
    /// To clients.
    pub down: Bytes,
}

/// Bytes by their direction.
#[must_use]
pub const fn directions() -> Statement {
    Statement::new(DIRECTIONS)
}

/// The totals of all time.
#[must_use]
pub fn all_time() -> Statement {
    Statement::new(ALL_TIME)
}

/// The totals.
#[must_use]
pub fn totals() -> Statement {
    Statement::new(TOTALS)
}

// Beside `max`, plain columns come from the row that has the greatest value: the ledger that spoke last.
macro_rules! nodes {
    ($events:expr, $inbounds:literal, $where:literal) => {
        concat!(
            "
SELECT n.id, n.name, n.address, n.coefficient, n.country, n.deleted_at, max(e.seen_at) AS seen_at, coalesce(e.agent, '') AS agent,
  coalesce(e.status, '{}') AS status, coalesce(e.clock_off, 0) AS clock_off,
  min(coalesce(sum(e.up + e.down), 0), 9007199254740991) AS bytes,
  min(coalesce(sum(e.unattributed), 0), 9007199254740991) AS unattributed,
  min(coalesce(sum(e.unknown), 0), 9007199254740991) AS unknown,
  min(coalesce(sum(e.outside), 0), 9007199254740991) AS foreign_bytes,
  json_group_array(json_array(e.created_at, e.seen_at)) FILTER (WHERE e.node IS NOT NULL) AS ledgers, ",
            $events,
            " AS events, ",
            $inbounds,
            " AS inbounds FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id ",
            $where,
            " GROUP BY n.id"
        )
    };
}
macro_rules! events {
    () => {
        "CASE WHEN n.deleted_at IS NULL THEN
    (SELECT json_group_array(json_array(at, kind, detail))
      FROM (SELECT at, kind, detail FROM node_events WHERE node = n.id ORDER BY id DESC LIMIT 10)) ELSE '[]' END"
    };
}
// Rows read: 1 per node, deleted ones included, 2 per ledger of it, and 1 per event shown, of which a node that is well has none.
const NODES: &str = nodes!(events!(), "'[]'", "");
// Rows read: 1, 2 per ledger, 10 events at most.
const NODE: &str = nodes!(events!(), "n.inbounds", "WHERE n.id = ?1 AND n.deleted_at IS NULL");

/// A node with its ledgers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Node {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// What clients connect to.
    pub address: String,
    /// Per mille.
    pub coefficient: u32,
    /// Where it is.
    pub country: Option<String>,
    /// When it was deleted; its bytes still count.
    pub deleted_at: Option<i64>,
    /// When any of its ledgers was last heard of.
    pub seen_at: Option<i64>,
    /// Version of its agent.
    pub agent: String,
    /// [`weir_wire::status::NodeStatus`] as JSON.
    pub status: String,
    /// Seconds by which its clock is ahead.
    pub clock_off: i64,
    /// Bytes of users, up and down.
    pub bytes: Bytes,
    /// Bytes that no user could be credited with.
    pub unattributed: Bytes,
    /// Bytes of credentials that nobody has.
    pub unknown: Bytes,
    /// Bytes of users outside the roster.
    pub foreign_bytes: Bytes,
    /// JSON list of `[begun at, heard at]`, one of each ledger.
    pub ledgers: String,
    /// JSON list of `[at, kind, detail]`, the last 10, the newest first; empty at a glance.
    pub events: String,
    /// JSON list of [`weir_wire::sync::Inbound`]; empty unless one node is asked for.
    pub inbounds: String,
}

impl Node {
    /// Whether two hosts use this node's key at second `now`.
    #[must_use]
    pub fn two_hosts(&self, now: Second) -> bool {
        let all: Vec<(i64, i64)> = serde_json::from_str(&self.ledgers).unwrap_or_default();
        let going: Vec<_> = all.into_iter().filter(|(_, heard)| now.get() - heard < ledgers::GOES_ON).collect();
        ledgers::two_hosts(&going)
    }
}

// Rows read: 1 per node, deleted ones included.
const GLANCE: &str = "SELECT id, name, address, coefficient, country, deleted_at FROM nodes";
// Rows read: 1 per ledger. A join of the two would read each ledger twice.
const LEDGERS: &str = "
SELECT node, max(seen_at) AS seen_at, agent, status, clock_off,
  min(sum(up + down), 9007199254740991) AS bytes, min(sum(unattributed), 9007199254740991) AS unattributed,
  min(sum(unknown), 9007199254740991) AS unknown, min(sum(outside), 9007199254740991) AS foreign_bytes,
  json_group_array(json_array(created_at, seen_at)) AS times FROM epochs GROUP BY node";

/// A node without what its ledgers say.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Bare {
    id: u32,
    name: String,
    address: String,
    coefficient: u32,
    country: Option<String>,
    deleted_at: Option<i64>,
}

/// What the ledgers of a node say together.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Ledgers {
    node: u32,
    seen_at: i64,
    agent: String,
    status: String,
    clock_off: i64,
    bytes: Bytes,
    unattributed: Bytes,
    unknown: Bytes,
    foreign_bytes: Bytes,
    times: String,
}

/// All nodes without what happened to them: two statements, whose rows [`glanced`] puts together.
#[must_use]
pub fn glance() -> [Statement; 2] {
    [Statement::new(GLANCE), Statement::new(LEDGERS)]
}

/// The nodes of [`glance`], in the order of their creation.
#[must_use]
pub fn glanced(nodes: Vec<Bare>, ledgers: Vec<Ledgers>) -> Vec<Node> {
    let mut ledgers: BTreeMap<u32, Ledgers> = ledgers.into_iter().map(|ledger| (ledger.node, ledger)).collect();
    let node = |node: Bare| {
        let told = ledgers.remove(&node.id);
        let sum = |of: fn(&Ledgers) -> Bytes| told.as_ref().map(of).unwrap_or_default();
        Node {
            id: node.id,
            name: node.name,
            address: node.address,
            coefficient: node.coefficient,
            country: node.country,
            deleted_at: node.deleted_at,
            bytes: sum(|told| told.bytes),
            unattributed: sum(|told| told.unattributed),
            unknown: sum(|told| told.unknown),
            foreign_bytes: sum(|told| told.foreign_bytes),
            seen_at: told.as_ref().map(|told| told.seen_at),
            clock_off: told.as_ref().map_or(0, |told| told.clock_off),
            agent: told.as_ref().map(|told| told.agent.clone()).unwrap_or_default(),
            status: told.as_ref().map_or_else(|| "{}".to_owned(), |told| told.status.clone()),
            ledgers: told.map_or_else(|| "[]".to_owned(), |told| told.times),
            events: "[]".to_owned(),
            inbounds: "[]".to_owned(),
        }
    };
    nodes.into_iter().map(node).collect()
}

/// One node that is not deleted.
#[must_use]
pub fn node(node: NodeId) -> Statement {
    Statement::new(NODE).bind(node)
}

/// All nodes, the deleted ones among them, in the order of their creation.
#[must_use]
pub fn nodes() -> Statement {
    Statement::new(NODES)
}

// Rows read of both: 2 per user (user, usage), and 1 per deleted user between them.
const OLDER: &str = concat!(
    columns!(),
    "FROM users JOIN usage AS u ON u.user = users.id WHERE deleted_at IS NULL AND users.id < CAST(?1 AS INTEGER)
  ORDER BY users.id DESC LIMIT ?2"
);
const NEWER: &str = concat!(
    columns!(),
    "FROM users JOIN usage AS u ON u.user = users.id WHERE deleted_at IS NULL AND users.id > CAST(?1 AS INTEGER)
  ORDER BY users.id LIMIT ?2"
);

/// Users created before a user, the newest first.
#[must_use]
pub fn older(user: i64, limit: u32) -> Statement {
    Statement::new(OLDER).bind(user).bind(limit)
}

/// Users created after a user, the oldest first.
#[must_use]
pub fn newer(user: i64, limit: u32) -> Statement {
    Statement::new(NEWER).bind(user).bind(limit)
}
