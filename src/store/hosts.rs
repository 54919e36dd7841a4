//! The addresses of all nodes at once, as Marzban's hosts are read and written.

use serde::{Deserialize, Serialize};
use weir_wire::sync::InboundPlans;

use super::Statement;
use crate::domain::endpoint::Address;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Number.
    pub id: u32,
    /// What clients connect to.
    pub address: String,
    /// JSON list of [`weir_wire::sync::Inbound`].
    pub inbounds: String,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Node.
    pub node: u32,
    /// 1: it is in links.
    pub is_active: u32,
    /// JSON of [`Address`].
    pub settings: String,
}

// Rows read: 1 per node, deleted ones included.
const NODES: &str = "SELECT id, address, inbounds FROM nodes WHERE deleted_at IS NULL ORDER BY id";
// Rows read: 1 per address.
const ADDRESSES: &str = "SELECT node, is_active, settings FROM node_addresses ORDER BY node, position, id";

/// All nodes, and all addresses in their order.
#[must_use]
pub const fn read() -> [Statement; 2] {
    [Statement::new(NODES), Statement::new(ADDRESSES)]
}

/// An address that is to be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct New<'a>(
    /// Node.
    pub u32,
    /// Whether it is on, 1 or 0.
    pub u8,
    /// The address.
    pub &'a Address,
);

// Rows: every address read, 2 written per address (row, index).
const CLEAR: &str = "DELETE FROM node_addresses WHERE settings ->> 'inbound' IN (SELECT value FROM json_each(?1))";
// Rows: 2 read per address, 2 written (row, index). A SELECT from the table that is written is done first.
const ADD: &str = "
INSERT INTO node_addresses (node, position, is_active, settings)
SELECT value ->> 0, 1 + key + coalesce((SELECT max(position) FROM node_addresses WHERE node = value ->> 0), 0), value ->> 1, value ->> 2
FROM json_each(?1)";
// As in node_addresses: the trigger on these columns makes anew what every fetch reads, once per node. Rows read: per node 4, 1 per node
// and 1 per address of all nodes; written: 3 per node.
const PUBLISH: &str = "
UPDATE nodes SET inbounds = inbounds,
  inbound_plans = CASE WHEN plans = '[]' AND inbound_plans IS NULL THEN NULL ELSE plans END
FROM (SELECT value ->> 0 AS of_node, value ->> 1 AS plans FROM json_each(?1)) WHERE nodes.id = of_node";
// Rows: 1 read per key of all nodes and 2 more per key of these, 1 written per key of these.
const TELL: &str = "
UPDATE node_keys SET inbound_plans = (SELECT inbound_plans FROM nodes WHERE id = node)
WHERE node IN (SELECT value ->> 0 FROM json_each(?1)) AND inbound_plans IS NOT (SELECT inbound_plans FROM nodes WHERE id = node)";

/// Puts addresses in the place of all that inbounds of these tags have. `plans` says of every node concerned which of its inbounds are
/// for some plans only once that is done.
#[must_use]
pub fn replace(tags: &[String], addresses: &[New<'_>], plans: &[(u32, Vec<InboundPlans>)]) -> [Statement; 4] {
    let text: Vec<(u32, String)> = plans
        .iter()
        .map(|(node, plans)| (*node, serde_json::to_string(plans).unwrap_or_else(|_| "[]".into())))
        .collect();
    [
        Statement::new(CLEAR).bind_json(&tags),
        Statement::new(ADD).bind_json(&addresses),
        Statement::new(PUBLISH).bind_json(&text),
        Statement::new(TELL).bind_json(&text),
    ]
}
