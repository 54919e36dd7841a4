//! Nodes. Ours dial out: adding one gives the command that is run on its host, and nothing here ever connects to its ports.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_wire::{Bytes, NodeId, Second};
use worker::{Request, Response};

use super::logs;
use super::node_usage::MASTER;
use super::query::{SPAN, number, span};
use crate::bell;
use crate::domain::audit::{Entry, Facts};
use crate::domain::marzban::node::{per_mille, told};
use crate::domain::name::{NodeAddress, NodeName};
use crate::http::api::nodes::{Wanted, enter, install_command, remove};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::MarzbanNodes;
use crate::store::marzban_nodes::{self as store, Row, Usage};
use crate::store::node_list;

const READ: &str = "nodes:read";
const WRITE: &str = "nodes:write";
const NONE: Failure = Failure::NotFound("node");

/// Answers what is asked of nodes.
pub(super) async fn answer(request: Request, call: &Call, route: MarzbanNodes<'_>) -> Result<Response, Failure> {
    match route {
        MarzbanNodes::Settings => settings(&request, call).await,
        MarzbanNodes::Create => create(request, call).await,
        MarzbanNodes::Get(id) => get(&request, call, id).await,
        MarzbanNodes::Change(id) => change(request, call, id).await,
        MarzbanNodes::Delete(id) => delete(&request, call, id).await,
        MarzbanNodes::Reconnect(id) => reconnect(&request, call, id).await,
        MarzbanNodes::Logs(id) => logs::of_node(&request, call, id).await,
        MarzbanNodes::List => list(&request, call).await,
        MarzbanNodes::Usage => usage(&request, call).await,
    }
}

/// A node as it is shown. Every key stands in it.
#[derive(Serialize)]
struct NodeJson {
    name: String,
    address: String,
    port: u16,
    api_port: u16,
    usage_coefficient: f64,
    id: u32,
    xray_version: Option<String>,
    status: &'static str,
    message: Option<String>,
}

impl NodeJson {
    fn new(row: Row, now: Second) -> Result<Self, Failure> {
        let status = row.status.as_deref().map(serde_json::from_str).transpose();
        let status = status.map_err(|error| Failure::Broken(format!("node {}: {error}", row.id)))?;
        let told = told(row.seen_at.map(Second::clamped), &status.unwrap_or_default(), now);
        Ok(Self {
            name: row.name,
            address: row.address,
            port: row.port,
            api_port: row.api_port,
            usage_coefficient: f64::from(row.coefficient) / 1_000.0,
            id: row.id,
            xray_version: told.version,
            status: told.status,
            message: told.message,
        })
    }
}

/// A node's number as the path has it.
pub(super) fn id_of(segment: &str) -> Result<NodeId, Failure> {
    u32::try_from(number("node_id", segment)?).map(NodeId).map_err(|_| NONE)
}

pub(super) async fn find(call: &Call, id: NodeId) -> Result<Row, Failure> {
    call.db.first(store::one(id)).await?.ok_or(NONE)
}

async fn shown(call: &Call, id: NodeId) -> Result<Response, Failure> {
    Ok(Response::from_json(&NodeJson::new(find(call, id).await?, call.now)?)?)
}

/// `GET /api/node/settings`
///
/// Nothing has to be put on a node's host before its command is run: there is no certificate, and none is made up.
async fn settings(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    Ok(Response::from_json(&json!({ "min_node_version": "v0.2.0", "certificate": "" }))?)
}

const fn port() -> u16 {
    62_050
}

const fn api_port() -> u16 {
    62_051
}

const fn whole() -> f64 {
    1.0
}

/// The body of a creation. `add_as_new_host` is not asked for: inbounds of a new node are reached at its own address by themselves.
#[derive(Deserialize)]
struct NewNode {
    name: NodeName,
    address: NodeAddress,
    #[serde(default = "port")]
    port: u16,
    #[serde(default = "api_port")]
    api_port: u16,
    #[serde(default = "whole")]
    usage_coefficient: f64,
}

/// The body of a change: what it lacks, and what is `null`, stays.
#[derive(Deserialize)]
struct NodeChange {
    #[serde(default)]
    name: Option<NodeName>,
    #[serde(default)]
    address: Option<NodeAddress>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    api_port: Option<u16>,
    #[serde(default)]
    usage_coefficient: Option<f64>,
    #[serde(default)]
    status: Option<String>,
}

fn coefficient(said: f64) -> Result<u32, Failure> {
    per_mille(said).ok_or_else(|| Failure::invalid("usage_coefficient", "greater than 0, from 0.001 to 100"))
}

fn taken(name: &str) -> impl Fn(Failure) -> Failure {
    move |failure| match failure {
        Failure::Conflict { code: "taken", .. } => {
            Failure::Conflict { code: "taken", message: format!("Node \"{name}\" already exists") }
        }
        other => other,
    }
}

/// `POST /api/node`
///
/// The node, connecting; `message` is the command to run on its host, which enrols it within an hour.
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let new: NewNode = body::json(&mut request).await?;
    let name = new.name.as_str();
    let wanted =
        Wanted { name, address: new.address.as_str(), coefficient: coefficient(new.usage_coefficient)?, country: None };
    let ports = vec![store::set_ports(name, new.port, new.api_port)];
    let (id, token) = enter(call, &actor, &wanted, ports).await.map_err(taken(name))?;
    let mut node = NodeJson::new(find(call, id).await?, call.now)?;
    node.message = Some(install_command(&request, &token));
    Ok(Response::from_json(&node)?)
}

/// `GET /api/node/{node_id}`
async fn get(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    shown(call, id_of(id)?).await
}

/// `GET /api/nodes`
///
/// Rows read: 1 per node, and 2 per ledger of it.
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let rows: Vec<Row> = call.db.all(store::list()).await?;
    let nodes = rows.into_iter().map(|row| NodeJson::new(row, call.now)).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&nodes)?)
}

/// Of what a client says of a node's status only `disabled` would do something.
fn refuse_disabled(status: Option<&str>) -> Result<(), Failure> {
    match status {
        None | Some("connected" | "connecting" | "error") => Ok(()),
        Some("disabled") => {
            let rule = "a node cannot be disabled here: switch its hosts off, or delete it";
            Err(Failure::invalid("status", rule))
        }
        Some(_) => Err(Failure::invalid("status", "Input should be 'connected', 'connecting', 'error' or 'disabled'")),
    }
}

fn facts(row: &Row) -> Facts {
    Facts::new()
        .plain("name", row.name.as_str())
        .plain("address", row.address.as_str())
        .plain("coefficient", row.coefficient)
        .plain("port", row.port)
        .plain("api_port", row.api_port)
}

/// `PUT /api/node/{node_id}`
///
/// Another coefficient is that of the reports to come.
async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let id = id_of(id)?;
    let change: NodeChange = body::json(&mut request).await?;
    refuse_disabled(change.status.as_deref())?;
    let coefficient = change.usage_coefficient.map(coefficient).transpose()?;
    let name = change.name.as_ref().map_or("", NodeName::as_str);
    let prepare = async || {
        let was = find(call, id).await?;
        let row = Row {
            name: change.name.as_ref().map_or_else(|| was.name.clone(), ToString::to_string),
            address: change.address.as_ref().map_or_else(|| was.address.clone(), ToString::to_string),
            port: change.port.unwrap_or(was.port),
            api_port: change.api_port.unwrap_or(was.api_port),
            coefficient: coefficient.unwrap_or(was.coefficient),
            ..was.clone()
        };
        if row == was {
            return Ok(Deed::nothing(()));
        }
        let mut batch = Vec::new();
        if (&row.name, &row.address) != (&was.name, &was.address) {
            batch.push(node_list::readdress(id, &row.name, &row.address));
        }
        batch.push(store::set_ports(&row.name, row.port, row.api_port));
        if row.coefficient != was.coefficient {
            batch.extend(store::set_coefficient(id, row.coefficient));
        }
        let entry = Entry::new("node.change", format!("nodes/{}", was.name)).before(facts(&was)).after(facts(&row));
        Ok(Deed::new(entry, batch, ()))
    };
    recorded(call, &actor, prepare).await.map_err(taken(name))?;
    shown(call, id).await
}

/// `DELETE /api/node/{node_id}`
async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    remove(call, &actor, id_of(id)?).await?;
    Ok(Response::from_json(&json!({}))?)
}

/// `POST /api/node/{node_id}/reconnect`
///
/// Rings the node's bell: its agent syncs at once, if it listens.
async fn reconnect(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, WRITE).await?;
    let node = find(call, id_of(id)?).await?;
    bell::ring_node(&call.env, NodeId(node.id)).await;
    Ok(Response::from_json(&json!({ "detail": "Reconnection task scheduled" }))?)
}

/// `GET /api/nodes/usage`
///
/// Query: `start`, `end`. "Master" has no node of ours and no bytes.
async fn usage(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let (start, end) = span(request, call, SPAN)?;
    let rows: Vec<Usage> = call.db.all(store::usage(start, end)).await?;
    let line = |id: Option<u32>, name: &str, up: Bytes, down: Bytes| json!({ "node_id": id, "node_name": name, "uplink": up, "downlink": down });
    let master = line(None, MASTER, Bytes::ZERO, Bytes::ZERO);
    let nodes = rows.iter().map(|row| line(Some(row.id), &row.name, row.up, row.down));
    let usages: Vec<Value> = core::iter::once(master).chain(nodes).collect();
    Ok(Response::from_json(&json!({ "usages": usages }))?)
}
