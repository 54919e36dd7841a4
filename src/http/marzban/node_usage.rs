//! Bytes by node, as Marzban's API tells them: of every node, also of those without any.

use serde::Serialize;
use weir_wire::Bytes;
use worker::Request;

use super::query::{SPAN, span};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::marzban_usage::{self as store, Of, Span, Used};

/// What Marzban calls the core on the panel's own host. Weir has none: of users, these are the bytes of nodes that are gone.
pub(super) const MASTER: &str = "Master";

/// Bytes of one node.
#[derive(Serialize)]
pub(in crate::http) struct NodeUsage {
    node_id: Option<u32>,
    node_name: String,
    used_traffic: Bytes,
}

/// The bytes of a query's `start` to its `end`, "Master" first. Rows read: 1 per node, 2, and those of [`store::used`].
pub(super) async fn by_node(request: &Request, call: &Call, of: Of<'_>) -> Result<Vec<NodeUsage>, Failure> {
    let (from, to) = span(request, call, SPAN)?;
    let mut batch = vec![store::nodes()];
    batch.extend(store::used(of, Span { from, to }));
    let outcomes = call.db.batch(&batch).await?;
    let Some((nodes, used)) = outcomes.split_first() else {
        return Err(Failure::Broken("a batch gave nothing".into()));
    };
    let mut sums = Vec::new();
    for outcome in used {
        sums.extend(outcome.rows::<Used>()?);
    }
    let nodes: Vec<store::Named> = nodes.rows()?;
    let sum = |wanted: &dyn Fn(u32) -> bool| sums.iter().filter(|used| wanted(used.node)).map(|used| used.bytes).sum();
    let gone = sum(&|node| !nodes.iter().any(|known| known.id == node));
    let master = NodeUsage { node_id: None, node_name: MASTER.to_owned(), used_traffic: gone };
    let known = nodes.iter().map(|node| NodeUsage {
        node_id: Some(node.id),
        node_name: node.name.clone(),
        used_traffic: sum(&|one| one == node.id),
    });
    Ok(core::iter::once(master).chain(known).collect())
}

/// The bytes of one user, likewise.
pub(in crate::http) async fn of_user(request: &Request, call: &Call, user: i64) -> Result<Vec<NodeUsage>, Failure> {
    by_node(request, call, Of::User(user)).await
}
