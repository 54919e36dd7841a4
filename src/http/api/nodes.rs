//! Nodes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_wire::NodeId;
use weir_wire::grant::{COEFFICIENT_MAX, COEFFICIENT_ONE};
use weir_wire::status::NodeStatus;
use worker::{Request, Response};

use super::{node_addresses, usage as charts};
use crate::bell;
use crate::domain::audit::{Actor, Entry, Facts};
use crate::domain::name::{Country, NodeAddress, NodeName};
use crate::http::address::origin;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body::{self, given, value};
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::http::slots::refill;
use crate::random;
use crate::route::Nodes;
use crate::store::Statement;
use crate::store::d1::Outcome;
use crate::store::node_list::{self, Created, NodeRow, Sums, TOKEN_LASTS};

/// The body of a creation. `coefficient` is in per mille, 0..=[`COEFFICIENT_MAX`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNode {
    name: NodeName,
    address: NodeAddress,
    #[serde(default = "whole")]
    coefficient: u32,
    #[serde(default)]
    country: Option<Country>,
}

/// The body of a change: fields that it lacks stay.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeChange {
    #[serde(default, deserialize_with = "value")]
    name: Option<NodeName>,
    #[serde(default, deserialize_with = "value")]
    address: Option<NodeAddress>,
    #[serde(default, deserialize_with = "given")]
    country: Option<Option<Country>>,
}

const fn whole() -> u32 {
    COEFFICIENT_ONE
}

/// A node as the API shows it.
#[derive(Serialize)]
pub(super) struct NodeJson {
    pub(super) id: u32,
    name: String,
    pub(super) address: String,
    country: Option<String>,
    coefficient: u32,
    created_at: i64,
    enrolled: bool,
    seen_at: Option<i64>,
    clock_off: Option<i64>,
    agent: Option<String>,
    roster_held: Option<i64>,
    roster_loaded: Option<i64>,
    up: u64,
    down: u64,
    unknown: u64,
    unattributed: u64,
    foreign: u64,
    /// More than one ledger goes on in the last ten minutes: two hosts use this node's key.
    two_hosts: bool,
    status: Option<NodeStatus>,
    pub(super) inbounds: Value,
    /// What an operator should know: forks, gaps, times that were moved; the newest first. Not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Value>,
}

impl NodeJson {
    fn new(row: NodeRow) -> Result<Self, Failure> {
        let broken = |error: serde_json::Error| Failure::Broken(format!("node {}: {error}", row.id));
        let sums: Sums = serde_json::from_str(&row.sums).map_err(broken)?;
        Ok(Self {
            two_hosts: sums.two_hosts(),
            up: sums.0,
            down: sums.1,
            unknown: sums.2,
            unattributed: sums.3,
            foreign: sums.4,
            status: row.status.as_deref().map(serde_json::from_str).transpose().map_err(broken)?,
            inbounds: serde_json::from_str(&row.inbounds).map_err(broken)?,
            events: row.events.as_deref().map(serde_json::from_str).transpose().map_err(broken)?,
            id: row.id,
            name: row.name,
            address: row.address,
            country: row.country,
            coefficient: row.coefficient,
            created_at: row.created_at,
            enrolled: row.enrolled == 1,
            seen_at: row.seen_at,
            clock_off: row.clock_off,
            agent: row.agent,
            roster_held: row.held,
            roster_loaded: row.loaded,
        })
    }
}

/// Answers whatever is asked of nodes.
pub(crate) async fn answer(request: Request, call: &Call, route: Nodes<'_>) -> Result<Response, Failure> {
    match route {
        Nodes::List => list(&request, call).await,
        Nodes::Create => create(request, call).await,
        Nodes::Get(id) => get(&request, call, id).await,
        Nodes::Change(id) => change(request, call, id).await,
        Nodes::Delete(id) => delete(&request, call, id).await,
        Nodes::RotateKey(id) => rotate_key(&request, call, id).await,
        Nodes::Usage(id) => charts::of_node(&request, call, id).await,
        Nodes::Inbounds(id) => node_addresses::inbounds(&request, call, id).await,
        Nodes::Addresses(id) => node_addresses::list(&request, call, id).await,
        Nodes::AddAddress(id) => node_addresses::create(request, call, id).await,
        Nodes::ReorderAddresses(id) => node_addresses::reorder(request, call, id).await,
        Nodes::Address(id, address) => node_addresses::get(&request, call, id, address).await,
        Nodes::ChangeAddress(id, address) => node_addresses::change(request, call, id, address).await,
        Nodes::DeleteAddress(id, address) => node_addresses::delete(&request, call, id, address).await,
    }
}

/// `GET /api/v1/nodes`
///
/// Rows read: 7 a node, and 2 more for each ledger that it left.
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    let rows: Vec<NodeRow> = call.db.all(node_list::list(call.now)).await?;
    let items = rows.into_iter().map(NodeJson::new).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/nodes`
///
/// 201 with the node and its enrolment `token`, which is shown once and can be used for an hour, and the command that `install`s
/// with it.
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let new: NewNode = body::json(&mut request).await?;
    if new.coefficient > COEFFICIENT_MAX {
        return Err(Failure::invalid("coefficient", format!("per mille, an integer from 0 to {COEFFICIENT_MAX}")));
    }
    let wanted = Wanted {
        name: new.name.as_str(),
        address: new.address.as_str(),
        coefficient: new.coefficient,
        country: new.country.as_ref().map(Country::as_str),
    };
    let (id, token) = enter(call, &actor, &wanted, Vec::new()).await?;
    let mut response = with_token(&request, call, id, token).await?.with_status(201);
    response.headers_mut().set("location", &format!("/api/v1/nodes/{id}"))?;
    Ok(response)
}

/// A node that is to be entered.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    /// Per mille.
    pub(crate) coefficient: u32,
    pub(crate) country: Option<&'a str>,
}

/// Enters a node, with `more` that is done in the same batch; returns its number and its enrolment token. Fails as taken when another
/// node has the name.
pub(crate) async fn enter(
    call: &Call,
    actor: &Actor,
    wanted: &Wanted<'_>,
    more: Vec<Statement>,
) -> Result<(NodeId, String), Failure> {
    let Wanted { name, address, coefficient, country } = *wanted;
    let token = new_token()?;
    let hash = sha256_hex(&token);
    let prepare = async || {
        let facts = Facts::new().plain("name", name).plain("address", address).plain("coefficient", coefficient);
        let facts = facts.plain("country", country);
        let mut batch = vec![node_list::create(name, address, coefficient, country, &hash, call.now)];
        batch.extend(more.iter().cloned());
        // Its number is not known before it is there: it goes by its name.
        Ok(Deed::new(Entry::new("node.create", format!("nodes/{name}")).after(facts), batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let created = outcomes.first().map(Outcome::rows).transpose()?.and_then(|mut rows| rows.pop());
    let Created { id } = created.ok_or_else(|| Failure::Broken("a created node has no number".into()))?;
    // Its core loads these at its first start, and the users to come need no reload.
    refill(call).await?;
    Ok((NodeId(id), token))
}

/// The one line that installs an agent with a token.
pub(crate) fn install_command(request: &Request, token: &str) -> String {
    format!("curl -fsSL {}/install.sh | sh -s -- {token}", origin(request))
}

fn new_token() -> Result<String, Failure> {
    random::bytes::<16>().map(hex::encode)
}

async fn with_token(request: &Request, call: &Call, id: NodeId, token: String) -> Result<Response, Failure> {
    let mut node =
        serde_json::to_value(find(call, id).await?).map_err(|error| Failure::Broken(format!("node {id}: {error}")))?;
    if let Some(node) = node.as_object_mut() {
        node.insert("install".into(), json!(install_command(request, &token)));
        node.insert("token".into(), json!(token));
        node.insert("token_expires".into(), json!(call.now.plus(TOKEN_LASTS).get()));
    }
    Ok(Response::from_json(&node)?)
}

pub(super) fn number(text: &str) -> Result<NodeId, Failure> {
    text.parse().map(NodeId).map_err(|_| Failure::NotFound("node"))
}

pub(super) async fn find(call: &Call, id: NodeId) -> Result<NodeJson, Failure> {
    let row: Option<NodeRow> = call.db.first(node_list::one(id, call.now)).await?;
    NodeJson::new(row.ok_or(Failure::NotFound("node"))?)
}

/// `GET /api/v1/nodes/{id}`
async fn get(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    Ok(Response::from_json(&find(call, number(id)?).await?)?)
}

/// `PATCH /api/v1/nodes/{id}`
///
/// Its name, address and country; fields that the body lacks stay. 409 when another node has the name.
async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "nodes:write").await?;
    let change: NodeChange = body::json(&mut request).await?;
    let id = number(id)?;
    let prepare = async || {
        let node = find(call, id).await?;
        let name = change.name.as_ref().map_or(node.name.as_str(), NodeName::as_str);
        let address = change.address.as_ref().map_or(node.address.as_str(), NodeAddress::as_str);
        let country = match &change.country {
            Some(country) => country.as_ref().map(Country::as_str),
            None => node.country.as_deref(),
        };
        if (name, address, country) == (node.name.as_str(), node.address.as_str(), node.country.as_deref()) {
            return Ok(Deed::nothing(()));
        }
        let facts = |name: &str, address: &str, country: Option<&str>| {
            Facts::new().plain("name", name).plain("address", address).plain("country", country)
        };
        let entry = Entry::new("node.change", format!("nodes/{}", node.name))
            .before(facts(&node.name, &node.address, node.country.as_deref()))
            .after(facts(name, address, country));
        Ok(Deed::new(entry, [node_list::change(id, name, address, country)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&find(call, id).await?)?)
}

/// `DELETE /api/v1/nodes/{id}`
///
/// 204. The agent is told to shut all gates; for 25 h it may report what it still holds.
async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "nodes:write").await?;
    remove(call, &actor, number(id)?).await?;
    Ok(Response::empty()?.with_status(204))
}

/// Deletes a node, as [`delete`] says.
pub(crate) async fn remove(call: &Call, actor: &Actor, id: NodeId) -> Result<(), Failure> {
    let prepare = async || {
        let node = find(call, id).await?;
        Ok(Deed::new(entry("node.delete", &node), node_list::delete(id, call.now), ()))
    };
    recorded(call, actor, prepare).await?;
    bell::ring_node(&call.env, id).await;
    Ok(())
}

fn entry(action: &'static str, node: &NodeJson) -> Entry {
    let facts = Facts::new()
        .plain("id", node.id)
        .plain("name", node.name.as_str())
        .plain("address", node.address.as_str())
        .plain("coefficient", node.coefficient)
        .plain("country", node.country.as_deref())
        .plain("enrolled", node.enrolled);
    Entry::new(action, format!("nodes/{}", node.name)).before(facts)
}

/// `POST /api/v1/nodes/{id}/rotate-key`
///
/// The node and a new enrolment `token`. The old key works until the first sync with the new one, a day at most.
async fn rotate_key(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "nodes:write").await?;
    let id = number(id)?;
    let token = new_token()?;
    let hash = sha256_hex(&token);
    let prepare = async || {
        let node = find(call, id).await?;
        Ok(Deed::new(entry("node.rotate_key", &node), [node_list::rotate(id, &hash, call.now)], ()))
    };
    recorded(call, &actor, prepare).await?;
    with_token(request, call, id, token).await
}
