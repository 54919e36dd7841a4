//! Nodes as an operator sees and changes them.

use serde::Deserialize;
use weir_wire::{NodeId, Second};

use super::{Statement, usage};
use crate::domain::ledgers;

/// A node by its number.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct NodeName {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
}

// Rows read: 1 per node told of, and 1 for the one that is asked for.
const NAMES: &str = "
SELECT id, name FROM nodes WHERE id = ?2 AND deleted_at IS NULL
UNION SELECT * FROM (SELECT id, name FROM nodes WHERE deleted_at IS NULL ORDER BY name COLLATE NOCASE LIMIT ?1)
ORDER BY 2 COLLATE NOCASE";

/// The first `most` nodes by name, and one more that is asked for by its number.
#[must_use]
pub fn names(most: u32, asked: u32) -> Statement {
    Statement::new(NAMES).bind(most).bind(asked)
}

/// A node with the state of its newest ledger and the sums of all its ledgers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct NodeRow {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// What clients connect to.
    pub address: String,
    /// Where it is.
    pub country: Option<String>,
    /// Per mille.
    pub coefficient: u32,
    /// When it was created.
    pub created_at: i64,
    /// JSON list of [`weir_wire::sync::Inbound`].
    pub inbounds: String,
    /// When the enrolment token ends.
    pub token_expires: Option<i64>,
    /// 1 once the newest token has enrolled a key.
    pub enrolled: i64,
    /// When it was last heard, to the minute.
    pub seen_at: Option<i64>,
    /// Its clock minus the panel's, seconds.
    pub clock_off: Option<i64>,
    /// Version of the agent.
    pub agent: Option<String>,
    /// Roster number held.
    pub held: Option<i64>,
    /// Roster number loaded by the core.
    pub loaded: Option<i64>,
    /// JSON of [`weir_wire::status::NodeStatus`].
    pub status: Option<String>,
    /// JSON of [`Sums`].
    pub sums: String,
    /// JSON list of the last 20, the newest first; not in a list of nodes.
    pub events: Option<String>,
}

/// Of all ledgers of a node: bytes up and down, unknown, unattributed, foreign; and of those heard in the last 10 minutes
/// `[begun at, heard at]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Sums(pub u64, pub u64, pub u64, pub u64, pub u64, pub Vec<(i64, i64)>);

impl Sums {
    /// Whether a ledger goes on beside a newer one: two hosts use this node's key. One that was left is silent, and so is a
    /// second host that has ended.
    #[must_use]
    pub fn two_hosts(&self) -> bool {
        ledgers::two_hosts(&self.5)
    }
}

macro_rules! rows {
    ($events:literal, $where:literal) => {
        concat!(
            "
SELECT n.id, n.name, n.address, n.country, n.coefficient, n.created_at, n.inbounds, n.token_expires,
  n.token_key IS NOT NULL AS enrolled, e.seen_at, e.clock_off, e.agent, e.held, e.loaded, e.status,
  (SELECT json_array(coalesce(sum(up), 0), coalesce(sum(down), 0), coalesce(sum(unknown), 0),
      coalesce(sum(unattributed), 0), coalesce(sum(outside), 0),
      json_group_array(json_array(created_at, seen_at)) FILTER (WHERE seen_at > CAST(?1 AS INTEGER) - 600))
    FROM epochs WHERE node = n.id) AS sums, ",
            $events,
            " AS events
FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id
  AND e.epoch = (SELECT epoch FROM epochs WHERE node = n.id ORDER BY seen_at DESC, created_at DESC LIMIT 1)
WHERE n.deleted_at IS NULL",
            $where
        )
    };
}

// Rows read: 7 a node with one ledger, and 2 more for each ledger that it left.
const LIST: &str = rows!("NULL", " ORDER BY n.name COLLATE NOCASE");
// Rows read: as many more as there are events, 20 at most.
const ONE: &str = rows!(
    "(SELECT json_group_array(json_object('at', at, 'kind', kind, 'detail', detail))
    FROM (SELECT at, kind, detail FROM node_events WHERE node = n.id ORDER BY id DESC LIMIT 20))",
    " AND n.id = ?2"
);

/// All nodes by name.
#[must_use]
pub fn list(now: Second) -> Statement {
    Statement::new(LIST).bind(now)
}

/// One node.
#[must_use]
pub fn one(node: NodeId, now: Second) -> Statement {
    Statement::new(ONE).bind(now).bind(node)
}

/// An enrolment token can be used for this many seconds.
pub const TOKEN_LASTS: i64 = 3600;

const CREATE: &str = "
INSERT INTO nodes (name, address, coefficient, token_hash, token_expires, created_at, country)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";

/// What [`create`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Created {
    /// Its number.
    pub id: u32,
}

/// Creates a node that waits for its host.
#[must_use]
pub fn create(
    name: &str,
    address: &str,
    coefficient: u32,
    country: Option<&str>,
    token_hash: &str,
    now: Second,
) -> Statement {
    let statement = Statement::new(CREATE).bind(name).bind(address).bind(coefficient).bind(token_hash);
    statement.bind(now.plus(TOKEN_LASTS)).bind(now).bind(country)
}

// The trigger makes anew what fetches of subscriptions read.
const CHANGE: &str = "UPDATE nodes SET name = ?2, address = ?3, country = ?4 WHERE id = ?1 AND deleted_at IS NULL";

/// Gives a node another name, address and country; fails as taken when another node has the name.
#[must_use]
pub fn change(node: NodeId, name: &str, address: &str, country: Option<&str>) -> Statement {
    Statement::new(CHANGE).bind(node).bind(name).bind(address).bind(country)
}

// As CHANGE.
const READDRESS: &str = "UPDATE nodes SET name = ?2, address = ?3 WHERE id = ?1 AND deleted_at IS NULL";

/// The same without its country.
#[must_use]
pub fn readdress(node: NodeId, name: &str, address: &str) -> Statement {
    Statement::new(READDRESS).bind(node).bind(name).bind(address)
}

const ROTATE: &str = "
UPDATE nodes SET token_hash = ?2, token_expires = ?3, token_key = NULL WHERE id = ?1 AND deleted_at IS NULL";

/// Gives a node a new enrolment token. Its key works on until the new one is used, a day at most.
#[must_use]
pub fn rotate(node: NodeId, token_hash: &str, now: Second) -> Statement {
    Statement::new(ROTATE).bind(node).bind(token_hash).bind(now.plus(TOKEN_LASTS))
}

const DELETE: &str = "
UPDATE nodes SET deleted_at = ?2, token_hash = NULL, token_expires = NULL WHERE id = ?1 AND deleted_at IS NULL";
const DELETE_KEYS: &str = "UPDATE node_keys SET deleted_at = ?2 WHERE node = ?1 AND deleted_at IS NULL";

/// Deletes a node and frees what it holds. Its key goes on to be heard for 25 h, so that what its agent holds is still reported.
///
/// In one batch: a deleted node is not found again, so nobody could repeat a half of it, and users would miss for a day what it
/// held of their quotas.
#[must_use]
pub fn delete(node: NodeId, now: Second) -> [Statement; 3] {
    let deleted = Statement::new(DELETE).bind(node).bind(now);
    [deleted, Statement::new(DELETE_KEYS).bind(node).bind(now), usage::free_node(node)]
}

// Rows read: the nodes; there are 200 at most.
const GONE: &str = "
SELECT id FROM nodes WHERE deleted_at <= CAST(?1 AS INTEGER) AND forgotten_at IS NULL LIMIT 1";
const FORGOTTEN: &str = "UPDATE nodes SET forgotten_at = ?2 WHERE id = ?1";

/// A node that was deleted before `before` and whose grants are still counted.
#[must_use]
pub fn gone(before: Second) -> Statement {
    Statement::new(GONE).bind(before)
}

/// Notes that a deleted node's grants are freed.
#[must_use]
pub fn forgotten(node: NodeId, now: Second) -> Statement {
    Statement::new(FORGOTTEN).bind(node).bind(now)
}
