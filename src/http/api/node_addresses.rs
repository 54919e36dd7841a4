//! What the agent tells of a node's inbounds, and the operator's addresses for them.

mod body;

use serde::Serialize;
use serde_json::json;
use weir_wire::NodeId;
use weir_wire::sync::{Inbound, InboundPlans};
use worker::{Request, Response};

pub(crate) use self::body::settings;
use self::body::{AddressJson, Fields, Order};
use super::nodes::{find, number};
use crate::bell;
use crate::domain::audit::{Entry, Facts};
use crate::domain::endpoint::{Address, plans_of, why_not};
use crate::domain::name::{NodeAddress, PlanName};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body::json as body_of;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::node_addresses::{self as store, Row};
use crate::store::plans::{self, Plan};

/// Addresses of a node at most: every fetch of a subscription reads those of all nodes.
const MOST: usize = 64;
const NONE: Failure = Failure::NotFound("address");

/// An inbound as the agent tells it, and whether links are made of it.
#[derive(Serialize)]
struct InboundJson<'a> {
    #[serde(flatten)]
    inbound: &'a Inbound,
    /// How many addresses it has. Without any it is reached at the node's own.
    addresses: usize,
    /// Why no link is made of it at the node's own address.
    why_not: Option<&'static str>,
}

/// `GET /api/v1/nodes/{id}/inbounds`
pub(crate) async fn inbounds(request: &Request, call: &Call, node: &str) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    let (node, address, inbounds) = told(call, node).await?;
    let rows: Vec<Row> = call.db.all(store::of_node(node)).await?;
    let addresses = rows.iter().map(settings).collect::<Result<Vec<_>, _>>()?;
    let shown = |inbound| InboundJson {
        inbound,
        addresses: addresses.iter().filter(|address| address.inbound == inbound.tag).count(),
        why_not: why_not(inbound, &address),
    };
    let items: Vec<InboundJson<'_>> = inbounds.iter().map(shown).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// A node's number and address, and what its agent tells of its inbounds.
async fn told(call: &Call, node: &str) -> Result<(NodeId, NodeAddress, Vec<Inbound>), Failure> {
    let node = find(call, number(node)?).await?;
    let broken = |why: String| Failure::Broken(format!("node {}: {why}", node.id));
    let address = NodeAddress::try_from(node.address.clone()).map_err(|error| broken(error.to_string()))?;
    let inbounds = serde_json::from_value(node.inbounds.clone()).map_err(|error| broken(error.to_string()))?;
    Ok((NodeId(node.id), address, inbounds))
}

/// Longest tag, in characters.
const LONGEST_TAG: usize = 128;

/// Refuses what would lead nowhere: an inbound that the node does not have, a plan that there is not.
async fn check(call: &Call, address: &Address, inbounds: &[Inbound]) -> Result<(), Failure> {
    if !(1..=LONGEST_TAG).contains(&address.inbound.chars().count()) {
        return Err(Failure::invalid("inbound", format!("a tag of 1 to {LONGEST_TAG} characters")));
    }
    // A node that has told nothing yet can be prepared.
    if !inbounds.is_empty() && !inbounds.iter().any(|inbound| inbound.tag == address.inbound) {
        let tags: Vec<&str> = inbounds.iter().map(|inbound| inbound.tag.as_str()).collect();
        return Err(Failure::invalid("inbound", format!("one of the node's inbounds: {}", tags.join(", "))));
    }
    if address.plans.is_empty() {
        return Ok(());
    }
    let plans: Vec<Plan> = call.db.all(plans::all()).await?;
    let is_known = |named: &PlanName| plans.iter().any(|plan| plan.name.eq_ignore_ascii_case(named.as_str()));
    match address.plans.iter().position(|named| !is_known(named)) {
        Some(place) => Err(Failure::invalid(format!("plans[{place}]"), "there is no such plan")),
        None => Ok(()),
    }
}

/// What the audit log tells of an address: nothing in it is secret.
fn facts(is_active: bool, address: &Address) -> Facts {
    let fields = serde_json::to_value(address).unwrap_or_default();
    let facts = Facts::new().plain("active", is_active);
    let Some(fields) = fields.as_object() else { return facts };
    fields.iter().fold(facts, |facts, (name, value)| facts.plain(name, value.clone()))
}

/// Which inbounds are for some plans only, when `change` has come over the addresses.
fn plans_after(
    rows: &[Row],
    change: impl FnOnce(&mut Vec<(i64, (bool, Address))>),
) -> Result<Vec<InboundPlans>, Failure> {
    let numbered = |row: &Row| Ok((row.id, (row.is_active == 1, settings(row)?)));
    let mut all = rows.iter().map(numbered).collect::<Result<Vec<_>, Failure>>()?;
    change(&mut all);
    let addresses: Vec<(bool, Address)> = all.into_iter().map(|(_, address)| address).collect();
    Ok(plans_of(&addresses))
}

fn subject(node: NodeId, id: i64) -> String {
    format!("nodes/{node}/addresses/{id}")
}

/// The only row that a deed returns.
fn written(outcomes: &[Outcome]) -> Result<Row, Failure> {
    let rows: Option<Vec<Row>> = outcomes.first().map(Outcome::rows).transpose()?;
    rows.and_then(|mut rows| rows.pop()).ok_or(NONE)
}

/// `GET /api/v1/nodes/{id}/addresses`
///
/// In their order.
pub(crate) async fn list(request: &Request, call: &Call, node: &str) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    let node = NodeId(find(call, number(node)?).await?.id);
    let rows: Vec<Row> = call.db.all(store::of_node(node)).await?;
    let items = rows.iter().map(AddressJson::new).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/nodes/{id}/addresses`
///
/// 201 with the address, behind the others.
pub(crate) async fn create(mut request: Request, call: &Call, node: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let fields: Fields = body_of(&mut request).await?;
    if fields.inbound.is_none() {
        return Err(Failure::invalid("inbound", "it is missing"));
    }
    let is_active = fields.active.unwrap_or(true);
    let address = fields.onto(Address::default());
    let prepare = async || {
        let (node, _, inbounds) = told(call, node).await?;
        check(call, &address, &inbounds).await?;
        let there: Vec<Row> = call.db.all(store::of_node(node)).await?;
        if there.len() >= MOST {
            let message = format!("a node has {MOST} addresses at most");
            return Err(Failure::Conflict { code: "too_many", message });
        }
        // Its number is not known before it is there.
        let entry = Entry::new("node.address.add", format!("nodes/{node}/addresses")).after(facts(is_active, &address));
        let plans = plans_after(&there, |all| all.push((0, (is_active, address.clone()))))?;
        Ok(Deed::new(entry, store::add(node, is_active, &address, &plans), node))
    };
    let (outcomes, node) = recorded(call, &actor, prepare).await?;
    bell::ring_node(&call.env, node).await;
    let row = written(&outcomes)?;
    let mut response = Response::from_json(&AddressJson::new(&row)?)?.with_status(201);
    response.headers_mut().set("location", &format!("/api/v1/{}", subject(node, row.id)))?;
    Ok(response)
}

/// The address that is meant, and all of its node.
async fn one(call: &Call, node: NodeId, id: &str) -> Result<(Row, Vec<Row>), Failure> {
    let id: i64 = id.parse().map_err(|_| NONE)?;
    let rows: Vec<Row> = call.db.all(store::of_node(node)).await?;
    let row = rows.iter().find(|row| row.id == id).cloned().ok_or(NONE)?;
    Ok((row, rows))
}

/// `GET /api/v1/nodes/{id}/addresses/{address}`
pub(crate) async fn get(request: &Request, call: &Call, node: &str, id: &str) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    let node = NodeId(find(call, number(node)?).await?.id);
    Ok(Response::from_json(&AddressJson::new(&one(call, node, id).await?.0)?)?)
}

/// `PATCH /api/v1/nodes/{id}/addresses/{address}`
///
/// Fields that the body lacks stay; `null` makes them as the inbound has them.
pub(crate) async fn change(mut request: Request, call: &Call, node: &str, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let fields: Fields = body_of(&mut request).await?;
    let prepare = async || {
        let (node, _, inbounds) = told(call, node).await?;
        let (row, rows) = one(call, node, id).await?;
        let (was_active, was) = (row.is_active == 1, settings(&row)?);
        let (is_active, address) = (fields.active.unwrap_or(was_active), fields.clone().onto(was.clone()));
        if (was_active, &was) == (is_active, &address) {
            return Ok(Deed::nothing(row));
        }
        // One whose inbound or plan is gone can be switched off all the same.
        if (&was.inbound, &was.plans) != (&address.inbound, &address.plans) {
            check(call, &address, &inbounds).await?;
        }
        let (before, after) = (facts(was_active, &was), facts(is_active, &address));
        let entry = Entry::new("node.address.change", subject(node, row.id)).before(before).after(after);
        let plans = plans_after(&rows, |all| {
            if let Some((_, there)) = all.iter_mut().find(|(id, _)| *id == row.id) {
                *there = (is_active, address.clone());
            }
        })?;
        Ok(Deed::new(entry, store::change(node, row.id, is_active, &address, &plans), row))
    };
    let (outcomes, row) = recorded(call, &actor, prepare).await?;
    bell::ring_node(&call.env, number(node)?).await;
    let row = if outcomes.is_empty() { row } else { written(&outcomes)? };
    Ok(Response::from_json(&AddressJson::new(&row)?)?)
}

/// `DELETE /api/v1/nodes/{id}/addresses/{address}`
///
/// 204. An inbound that has lost its last one is reached at the node's own again.
pub(crate) async fn delete(request: &Request, call: &Call, node: &str, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "nodes:write").await?;
    let node = NodeId(find(call, number(node)?).await?.id);
    let prepare = async || {
        let (row, rows) = one(call, node, id).await?;
        let before = facts(row.is_active == 1, &settings(&row)?);
        let entry = Entry::new("node.address.delete", subject(node, row.id)).before(before);
        let plans = plans_after(&rows, |all| all.retain(|(id, _)| *id != row.id))?;
        Ok(Deed::new(entry, store::remove(node, row.id, &plans), ()))
    };
    recorded(call, &actor, prepare).await?;
    bell::ring_node(&call.env, node).await;
    Ok(Response::empty()?.with_status(204))
}

/// `POST /api/v1/nodes/{id}/addresses/reorder`
///
/// All addresses of the node, each once, in their new order; answers like the list.
pub(crate) async fn reorder(mut request: Request, call: &Call, node: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let order: Order = body_of(&mut request).await?;
    let node = NodeId(find(call, number(node)?).await?.id);
    let prepare = async || {
        let rows: Vec<Row> = call.db.all(store::of_node(node)).await?;
        let there: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let (mut wanted, mut known) = (order.ids.clone(), there.clone());
        wanted.sort_unstable();
        known.sort_unstable();
        if wanted != known {
            return Err(Failure::invalid("ids", "all addresses of the node, each once"));
        }
        if order.ids == there {
            return Ok(Deed::nothing(()));
        }
        let entry = Entry::new("node.address.reorder", format!("nodes/{node}/addresses"));
        let entry = entry.before(Facts::new().plain("ids", there)).after(Facts::new().plain("ids", order.ids.clone()));
        Ok(Deed::new(entry, store::order(node, &order.ids, &plans_after(&rows, |_| {})?), ()))
    };
    recorded(call, &actor, prepare).await?;
    let rows: Vec<Row> = call.db.all(store::of_node(node)).await?;
    let items = rows.iter().map(AddressJson::new).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}
