//! The operator's addresses of nodes' inbounds.

use serde::Deserialize;
use weir_wire::NodeId;
use weir_wire::sync::InboundPlans;

use super::Statement;
use crate::domain::endpoint::Address;

macro_rules! columns {
    () => {
        "id, position, is_active, settings"
    };
}

/// An address with its place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Number.
    pub id: i64,
    /// Order within its node.
    pub position: i64,
    /// 1: it is in links.
    pub is_active: i64,
    /// JSON of [`Address`].
    pub settings: String,
}

// Rows read: 1 per address of the node.
const OF_NODE: &str =
    concat!("SELECT ", columns!(), " FROM node_addresses WHERE node = ?1 ORDER BY node_addresses.position, id");

/// The addresses of a node, in their order.
#[must_use]
pub fn of_node(node: NodeId) -> Statement {
    Statement::new(OF_NODE).bind(node)
}

// Rows: 1 read, 2 written (row, index).
const ADD: &str = concat!(
    "
INSERT INTO node_addresses (node, position, is_active, settings)
SELECT ?1, (SELECT coalesce(max(position), 0) + 1 FROM node_addresses WHERE node = ?1), CAST(?2 AS INTEGER), ?3
RETURNING ",
    columns!()
);
// Rows: 1 read, 1 written.
const CHANGE: &str = concat!(
    "UPDATE node_addresses SET is_active = CAST(?3 AS INTEGER), settings = ?4 WHERE id = ?2 AND node = ?1 RETURNING ",
    columns!()
);
// Rows: 1 read, 2 written (row, index).
const REMOVE: &str = "DELETE FROM node_addresses WHERE id = ?2 AND node = ?1";
// Rows: 2 read and 2 written (row, index) per address.
const ORDER: &str = "
UPDATE node_addresses SET position = place FROM (SELECT value AS of_id, key + 1 AS place FROM json_each(?2))
WHERE id = of_id AND node = ?1";

// The trigger on these columns makes anew what every fetch reads. Rows read: 2, 1 per node and 1 per address of all nodes;
// written: 3 (node, meta, the mirror in xpert_state).
const PUBLISH: &str = "
UPDATE nodes SET inbounds = inbounds, inbound_plans = CASE WHEN ?2 = '[]' AND inbound_plans IS NULL THEN NULL ELSE ?2 END
WHERE id = ?1";
// What the node's agent is told with its next sync. Rows: 1 read per key of all nodes, 1 written per key of the node.
const TELL: &str = "
UPDATE node_keys SET inbound_plans = (SELECT inbound_plans FROM nodes WHERE id = ?1)
WHERE node = ?1 AND inbound_plans IS NOT (SELECT inbound_plans FROM nodes WHERE id = ?1)";

/// A change with what follows from it; `plans` says which inbounds are for some plans only after it.
fn published(node: NodeId, change: Statement, plans: &[InboundPlans]) -> [Statement; 3] {
    [change, Statement::new(PUBLISH).bind(node).bind_json(&plans), Statement::new(TELL).bind(node)]
}

/// Adds an address behind the others, and returns it. Here and below, `plans` says which of the node's inbounds are for some plans
/// only once that is done.
#[must_use]
pub fn add(node: NodeId, is_active: bool, address: &Address, plans: &[InboundPlans]) -> [Statement; 3] {
    published(node, Statement::new(ADD).bind(node).bind(u32::from(is_active)).bind_json(address), plans)
}

/// Puts an address in the place of another one, and returns it.
#[must_use]
pub fn change(node: NodeId, id: i64, is_active: bool, address: &Address, plans: &[InboundPlans]) -> [Statement; 3] {
    published(node, Statement::new(CHANGE).bind(node).bind(id).bind(u32::from(is_active)).bind_json(address), plans)
}

/// Removes an address.
#[must_use]
pub fn remove(node: NodeId, id: i64, plans: &[InboundPlans]) -> [Statement; 3] {
    published(node, Statement::new(REMOVE).bind(node).bind(id), plans)
}

/// Puts the addresses of a node into an order.
#[must_use]
pub fn order(node: NodeId, ids: &[i64], plans: &[InboundPlans]) -> [Statement; 3] {
    published(node, Statement::new(ORDER).bind(node).bind_json(&ids), plans)
}
