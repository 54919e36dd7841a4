//! Forms that change a node and its addresses.

use weir_wire::NodeId;
use weir_wire::sync::Inbound;
use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::endpoint::why_not;
use crate::domain::name::NodeAddress;
use crate::http::api::node_addresses::settings;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::node_addresses::{self, Row};
use crate::store::overview::{self, Node};
use crate::store::plans::{self, Plan};
use crate::views::panel::{AddressPage, AddressRow, EditNode, EditNodeLive, InboundFacts, Section};

/// The node of this number, and its addresses in their order. Rows read: 1 and 1 per ledger, 10 events, its addresses.
async fn found(call: &Call, id: &str) -> Result<(Node, Vec<AddressRow>), Failure> {
    let id: NodeId = id.parse().map(NodeId).map_err(|_| Failure::NotFound("node"))?;
    let outcomes = call.db.batch(&[overview::node(id), node_addresses::of_node(id)]).await?;
    let [node, rows] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let node: Option<Node> = node.rows()?.pop();
    let node = node.filter(|node| node.deleted_at.is_none()).ok_or(Failure::NotFound("node"))?;
    let rows: Vec<Row> = rows.rows()?;
    Ok((node, rows.iter().map(read).collect::<Result<_, _>>()?))
}

fn read(row: &Row) -> Result<AddressRow, Failure> {
    Ok(AddressRow { id: row.id, is_active: row.is_active == 1, address: settings(row)? })
}

fn inbounds(node: &Node) -> Vec<Inbound> {
    serde_json::from_str(&node.inbounds).unwrap_or_default()
}

/// `GET /nodes/{id}/edit`, also HEAD
///
/// Queries: 3. Rows read: 2 for the session, and the node with its addresses.
pub(super) async fn edit(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:write")?;
    let (node, rows) = found(call, id).await?;
    let own = NodeAddress::try_from(node.address.clone())
        .map_err(|error| Failure::Broken(format!("node {}: {error}", node.id)))?;
    let told = inbounds(&node).into_iter().map(|inbound| InboundFacts {
        why_not: why_not(&inbound, &own).filter(|_| rows.iter().all(|row| row.address.inbound != inbound.tag)),
        tag: inbound.tag,
    });
    let told = told.collect();
    let live = EditNodeLive::new((node.id, &node.address), rows, told, &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    let facts = (node.id, node.name.as_str(), node.address.as_str(), node.country.as_deref().unwrap_or_default());
    page(&EditNode::new(visit.shell(Section::Nodes), facts, live), 200)
}

/// `GET /nodes/{id}/addresses/{address}`, also HEAD; `new` instead of a number is a form that adds one
///
/// Queries: 4. Rows read: 2 for the session, the node with its addresses, and the plans.
pub(super) async fn address(request: &Request, call: &Call, id: &str, address: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:write")?;
    let (node, rows) = found(call, id).await?;
    let row = match address {
        "new" => None,
        number => {
            let wanted = rows.into_iter().find(|row| row.id.to_string() == number);
            Some(wanted.ok_or(Failure::NotFound("address"))?)
        }
    };
    let plans: Vec<Plan> = call.db.all(plans::all()).await?;
    let plans: Vec<String> = plans.into_iter().map(|plan| plan.name).collect();
    let mut tags: Vec<String> = inbounds(&node).into_iter().map(|inbound| inbound.tag).collect();
    // One that the node has no more is still what the address says.
    if let Some(row) = row.as_ref().filter(|row| !tags.is_empty() && !tags.contains(&row.address.inbound)) {
        tags.push(row.address.inbound.clone());
    }
    let shell = visit.shell(Section::Nodes);
    page(&AddressPage::new(shell, (node.id, &node.name), row.as_ref(), tags, &plans, &visit.say), 200)
}
