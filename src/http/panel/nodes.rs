//! The nodes: all of them, one, and the form that adds one.

use weir_wire::NodeId;
use weir_wire::sync::Inbound;
use worker::{Request, Response};

use super::figures::node_facts;
use super::visit::Visit;
use super::{go_to, page};
use crate::domain::endpoint::Address;
use crate::domain::history::{Span, buckets};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::history::rows;
use crate::store::node_addresses;
use crate::store::overview::{self, Node};
use crate::store::user_page;
use crate::views::NodeView;
use crate::views::panel::{AddNode, AddressLine, NodePage, NodePageLive, Nodes, NodesLive, Section};

/// Seconds before now at which the chart's 30 days begin.
const CHART: i64 = 29 * 86_400;

/// `GET /nodes`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session, and the nodes with their ledgers and at most 10 events each.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:read")?;
    let nodes: Vec<Node> = call.db.all(overview::nodes()).await?;
    let standing = nodes.iter().filter(|node| node.deleted_at.is_none());
    let live = NodesLive {
        words: visit.say.words,
        nodes: standing.map(|node| NodeView::new(&node_facts(node, call.now), &visit.say)).collect(),
    };
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&Nodes { shell: visit.shell(Section::Nodes), live }, 200)
}

/// `GET /nodes/{id}`, also HEAD
///
/// Queries: 4. Rows read: 2 for the session, 1 and 1 per ledger, 10 events, its addresses, and 2 per hour and day of the chart: 382 in a week of
/// hours and 23 days.
pub(super) async fn show(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:read")?;
    let id: NodeId = id.parse().map(NodeId).map_err(|_| Failure::NotFound("node"))?;
    let from = Span::Day.start(call.now.plus(-CHART));
    let batch = [overview::node(id), user_page::node_days(id, from), node_addresses::of_node(id)];
    let outcomes = call.db.batch(&batch).await?;
    let [node, days, addresses] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let node: Node = node.rows()?.pop().ok_or(Failure::NotFound("node"))?;
    let inbounds: Vec<Inbound> = serde_json::from_str(&node.inbounds).unwrap_or_default();
    let inbounds = inbounds.into_iter().map(|inbound| (inbound.tag, inbound.protocol, inbound.port.to_string()));
    let live = NodePageLive::new(
        NodeView::new(&node_facts(&node, call.now), &visit.say),
        (node.coefficient, node.country.as_deref()),
        &buckets(Span::Day, rows(std::slice::from_ref(days))?),
        inbounds.collect(),
        addresses.rows::<node_addresses::Row>()?.iter().filter_map(|row| address(row, &node)).collect(),
        &visit.say,
    );
    if visit.wants_part {
        return page(&live, 200);
    }
    let template = NodePage {
        shell: visit.shell(Section::Nodes),
        id: node.id,
        name: &node.name,
        delete_ask: visit.say.words.delete_ask.replace("{name}", &node.name),
        live,
    };
    page(&template, 200)
}

/// One that is in links.
fn address(row: &node_addresses::Row, node: &Node) -> Option<AddressLine> {
    let address: Address = serde_json::from_str(&row.settings).ok().filter(|_| row.is_active == 1)?;
    let host = address.address.as_ref().map_or(node.address.as_str(), |host| host.as_str());
    Some(AddressLine {
        address: address.port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        remark: address.remark.as_ref().map_or_else(String::new, |remark| remark.as_str().to_owned()),
        inbound: address.inbound,
    })
}

/// `GET /new/node`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("nodes:write")?;
    page(&AddNode { shell: visit.shell(Section::Nodes) }, 200)
}
