//! What happens to nodes, line by line, for whoever listens.

use serde::Deserialize;
use weir_wire::NodeId;

use super::Statement;

/// Events that one look brings at most.
pub const MOST: usize = 100;

// Everything in one statement, because the platform allows a request 50 of them. Rows read: 1 per event that comes, 100 at most;
// 1 per node, and 2 per ledger of it.
macro_rules! look {
    ($events:literal, $nodes:literal) => {
        concat!(
            "SELECT (SELECT json_group_array(json_array(id, at, name, kind, detail)) FROM (
    SELECT v.id, v.at, n.name, v.kind, v.detail FROM node_events AS v JOIN nodes AS n ON n.id = v.node
    WHERE v.id > CAST(?1 AS INTEGER) ",
            $events,
            " ORDER BY v.id DESC LIMIT 100)) AS events,
  (SELECT json_group_array(json_array(n.id, n.name, e.seen_at, json(e.status)))
    FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id
      AND e.epoch = (SELECT epoch FROM epochs WHERE node = n.id ORDER BY seen_at DESC, created_at DESC LIMIT 1)
    WHERE n.deleted_at IS NULL ",
            $nodes,
            ") AS nodes"
        )
    };
}
const ALL: &str = look!("", "");
const ONE: &str = look!("AND v.node = ?2", "AND n.id = ?2");

/// What [`look`] returns, once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Look {
    /// JSON list of [`Event`], the newest first.
    pub events: String,
    /// JSON list of [`State`].
    pub nodes: String,
}

/// An event: its number, when, the node's name, what, more of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Event(pub i64, pub i64, pub String, pub String, pub String);

/// How a node stands: its number, its name, when it was last heard, its [`weir_wire::status::NodeStatus`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct State(pub u32, pub String, pub Option<i64>, pub Option<serde_json::Value>);

/// Events after a number, and how the nodes stand: of one node or of all.
#[must_use]
pub fn look(node: Option<NodeId>, after: i64) -> Statement {
    match node {
        Some(node) => Statement::new(ONE).bind(after).bind(node),
        None => Statement::new(ALL).bind(after),
    }
}
