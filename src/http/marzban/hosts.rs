//! Hosts: our public addresses of inbounds, by the inbound's tag.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use worker::{Request, Response};

use super::host_body::{HostBody, checked};
use crate::bell;
use crate::domain::audit::{Entry, Facts};
use crate::domain::endpoint::plans_of;
use crate::domain::marzban::hosts::{Host, HostJson, Node, Placed, placed, shown};
use crate::domain::name::NodeAddress;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::hosts::{self as store, New};

/// Addresses of a node at most: every fetch of a subscription reads those of all nodes.
const MOST: usize = 64;

/// All nodes with their addresses. Rows read: 1 per node, 1 per address.
async fn nodes(call: &Call) -> Result<Vec<Node>, Failure> {
    let [nodes, addresses] = call.db.batch(&store::read()).await?.try_into().map_err(|_| broken("two results"))?;
    let rows: Vec<store::Row> = addresses.rows()?;
    let of = |node: u32| {
        let own = rows.iter().filter(|row| row.node == node);
        own.map(|row| Ok((row.is_active == 1, serde_json::from_str(&row.settings)?))).collect::<Result<_, _>>()
    };
    let node = |row: store::Node| {
        let text = |error: serde_json::Error| broken(&format!("node {}: {error}", row.id));
        Ok(Node {
            id: row.id,
            address: NodeAddress::try_from(row.address.clone()).map_err(|error| broken(&error.to_string()))?,
            inbounds: serde_json::from_str(&row.inbounds).map_err(text)?,
            addresses: of(row.id).map_err(text)?,
        })
    };
    nodes.rows::<store::Node>()?.into_iter().map(node).collect()
}

fn broken(why: &str) -> Failure {
    Failure::Broken(format!("hosts: {why}"))
}

fn as_json(hosts: &BTreeMap<String, Vec<Host>>) -> Value {
    let of = |hosts: &Vec<Host>| json!(hosts.iter().map(HostJson::from).collect::<Vec<_>>());
    hosts.iter().map(|(tag, hosts)| (tag.clone(), of(hosts))).collect()
}

/// `GET /api/hosts`
///
/// Every tag that a node has told, also one without hosts: that is reached at the nodes' own addresses.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    Ok(Response::from_json(&as_json(&shown(&nodes(call).await?)))?)
}

/// `PUT /api/hosts`
///
/// The hosts of the tags that the body names; others stay. Answers all.
pub(super) async fn change(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let wanted = checked(body::json::<BTreeMap<String, Vec<HostBody>>>(&mut request).await?)?;
    let prepare = async || {
        let nodes = nodes(call).await?;
        let placed = placed(&nodes, &wanted).map_err(|tag| Failure::Refused(format!("Inbound {tag} doesn't exist")))?;
        if placed.tags.is_empty() {
            return Ok(Deed::nothing(()));
        }
        let after = after(&nodes, &placed)?;
        let of = |hosts: &BTreeMap<String, Vec<Host>>| {
            let all = as_json(hosts);
            placed.tags.iter().fold(Facts::new(), |facts, tag| facts.plain(tag, all.get(tag).cloned()))
        };
        let entry = Entry::new("node.address.change", "hosts").before(of(&shown(&nodes))).after(of(&shown(&after)));
        let new: Vec<New<'_>> = placed
            .addresses
            .iter()
            .map(|(node, is_active, address)| New(*node, u8::from(*is_active), address))
            .collect();
        let concerned = concerned(&nodes, &placed);
        let plans: Vec<_> = after
            .iter()
            .filter(|node| concerned.contains(&node.id))
            .map(|node| (node.id, plans_of(&node.addresses)))
            .collect();
        Ok(Deed::new(entry, store::replace(&placed.tags, &new, &plans), ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    if !outcomes.is_empty() {
        bell::ring(&call.env).await;
    }
    Ok(Response::from_json(&as_json(&shown(&nodes(call).await?)))?)
}

/// The nodes as they are then.
fn after(nodes: &[Node], placed: &Placed) -> Result<Vec<Node>, Failure> {
    let mut after = nodes.to_vec();
    for node in &mut after {
        node.addresses.retain(|(_, address)| !placed.tags.contains(&address.inbound));
        let new = placed.addresses.iter().filter(|(of, ..)| *of == node.id);
        node.addresses.extend(new.map(|(_, is_active, address)| (*is_active, address.clone())));
        if node.addresses.len() > MOST {
            return Err(Failure::Refused(format!("A node has {MOST} hosts at most")));
        }
    }
    Ok(after)
}

/// Nodes that lose or get an address.
fn concerned(nodes: &[Node], placed: &Placed) -> BTreeSet<u32> {
    let loses = |node: &&Node| node.addresses.iter().any(|(_, address)| placed.tags.contains(&address.inbound));
    nodes.iter().filter(loses).map(|node| node.id).chain(placed.addresses.iter().map(|(node, ..)| *node)).collect()
}
