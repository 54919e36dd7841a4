//! Direct configs: adding, checking, ordering, switching. Only the operator's own hand changes one.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use super::{READ, WRITE, number};
use crate::domain::xpert::figures::stamp;
use crate::domain::xpert::link::Link;
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::Statement;
use crate::store::d1::Outcome;
use crate::store::xpert_direct::{self as store, Config, New};

/// Largest batch: bytes, and links.
const MAX_BATCH: usize = 1 << 20;
const MOST: usize = 1_000;
/// Longest note, in characters.
const REMARKS: usize = 200;
/// Letters of a refused line that are shown again.
const PREFIX: usize = 80;
const NONE: Failure = Failure::NotFound("direct config");

#[derive(Deserialize)]
struct Add {
    raw: String,
    #[serde(default)]
    remarks: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    raw: Option<String>,
    #[serde(default)]
    remarks: Option<String>,
}

#[derive(Deserialize)]
struct Batch {
    configs: Vec<String>,
}

#[derive(Deserialize)]
struct Raw {
    raw: String,
}

/// Either the whole order, or one config that is put in another one's place.
#[derive(Deserialize)]
struct Reorder {
    #[serde(default)]
    ids: Option<Vec<i64>>,
    #[serde(default)]
    source_id: Option<i64>,
    #[serde(default)]
    target_id: Option<i64>,
}

fn shown(config: &Config) -> Value {
    json!({
        "id": config.id,
        "raw": config.raw,
        "protocol": config.protocol,
        "server": config.server,
        "port": config.port,
        "name": config.name,
        "remarks": config.remarks,
        "is_active": config.is_active == 1,
        "is_permanent": config.is_permanent == 1,
        "position": config.position,
        "added_at": stamp(config.added_at),
    })
}

/// A line as a link, or why it is none, in words.
fn read(raw: &str) -> Result<Link, String> {
    match Link::read(raw) {
        Ok(Some(link)) => Ok(link),
        Ok(None) => Err("an empty line or a comment is no link".into()),
        Err(reason) => Err(reason.to_string()),
    }
}

fn new<'a>(link: &'a Link, remarks: Option<&'a str>) -> New<'a> {
    New {
        raw: &link.text,
        protocol: link.protocol(),
        server: link.endpoint.server.as_str(),
        port: link.endpoint.port,
        name: &link.endpoint.name,
        remarks,
    }
}

fn check(remarks: Option<&str>) -> Result<(), Failure> {
    let fits = |text: &str| text.chars().count() <= REMARKS && text.chars().all(|c| !c.is_control());
    if remarks.is_none_or(fits) { Ok(()) } else { Err(Failure::invalid("remarks", "at most 200 printable characters")) }
}

/// Runs a change and returns the configs that it gives back.
async fn run(call: &Call, batch: &[Statement]) -> Result<Vec<Config>, Failure> {
    let outcomes = call.db.batch(batch).await?;
    Ok(outcomes.first().map(Outcome::rows).transpose()?.unwrap_or_default())
}

async fn one(call: &Call, batch: &[Statement]) -> Result<Config, Failure> {
    run(call, batch).await?.pop().ok_or(NONE)
}

/// `GET /api/xpert/direct-configs`
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let configs: Vec<Config> = call.db.all(store::all()).await?;
    let configs: Vec<Value> = configs.iter().map(shown).collect();
    Ok(Response::from_json(&json!({ "total": configs.len(), "configs": configs }))?)
}

/// `POST /api/xpert/direct-configs`
pub(super) async fn add(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let add: Add = body::json(&mut request).await?;
    check(add.remarks.as_deref())?;
    let link = read(&add.raw).map_err(|why| Failure::invalid("raw", why))?;
    let added = run(call, &store::add(&[new(&link, add.remarks.as_deref())], call.now)).await?;
    let config = added.first().ok_or_else(taken)?;
    let message = "Direct config added successfully";
    Ok(Response::from_json(&json!({ "id": config.id, "message": message, "config": shown(config) }))?)
}

fn taken() -> Failure {
    Failure::Conflict { code: "taken", message: "this link is there already".into() }
}

/// `POST /api/xpert/direct-configs/batch`
///
/// Each line is answered: what was added in `results`, what was not in `errors`, with its place in the list.
pub(super) async fn add_batch(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let batch: Batch = body::parse(&body::read(&mut request, MAX_BATCH).await?)?;
    if batch.configs.is_empty() || batch.configs.len() > MOST {
        return Err(Failure::invalid("configs", format!("1 to {MOST} links")));
    }
    let mut errors = Vec::new();
    let mut links = Vec::new();
    for (index, raw) in batch.configs.iter().enumerate() {
        match read(raw) {
            Ok(link) => links.push((index, link)),
            Err(why) => errors.push((index, why)),
        }
    }
    let rows: Vec<New<'_>> = links.iter().map(|(_, link)| new(link, None)).collect();
    let mut added = if rows.is_empty() { Vec::new() } else { run(call, &store::add(&rows, call.now)).await? };
    let mut results = Vec::new();
    for (index, link) in &links {
        // A link that comes twice is added once: its second line finds nothing here.
        match added.iter().position(|config| config.raw == link.text) {
            Some(at) => results.push(shown(&added.swap_remove(at))),
            None => errors.push((*index, "this link is there already".into())),
        }
    }
    errors.sort_by_key(|(index, _)| *index);
    let errors: Vec<Value> = errors.into_iter().map(|(index, why)| refused(index, &why, &batch.configs)).collect();
    Ok(Response::from_json(&json!({
        "total_provided": batch.configs.len(),
        "successful_added": results.len(),
        "failed": errors.len(),
        "results": results,
        "errors": errors,
    }))?)
}

fn refused(index: usize, why: &str, configs: &[String]) -> Value {
    let prefix: String = configs.get(index).map(|raw| raw.chars().take(PREFIX).collect()).unwrap_or_default();
    json!({ "config_index": index, "error": why, "raw_prefix": prefix })
}

/// `POST /api/xpert/direct-configs/validate`
pub(super) async fn validate(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, READ).await?;
    let Raw { raw } = body::json(&mut request).await?;
    Ok(Response::from_json(&match read(&raw) {
        Ok(link) => json!({
            "valid": true,
            "protocol": link.protocol(),
            "server": link.endpoint.server.as_str(),
            "port": link.endpoint.port,
            "name": link.endpoint.name,
        }),
        Err(why) => json!({ "valid": false, "error": why }),
    })?)
}

/// `PUT /api/xpert/direct-configs/{id}`
pub(super) async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let id = number(id, NONE)?;
    let change: Change = body::json(&mut request).await?;
    check(change.remarks.as_deref())?;
    let link = change.raw.as_deref().map(read).transpose().map_err(|why| Failure::invalid("raw", why))?;
    let link = link.as_ref().map(|link| new(link, None));
    let config = match one(call, &store::change(id, link.as_ref(), change.remarks.as_deref())).await {
        Err(Failure::Conflict { .. }) => return Err(taken()),
        other => other?,
    };
    let message = "Direct config updated successfully";
    Ok(Response::from_json(&json!({ "message": message, "config": shown(&config) }))?)
}

/// `DELETE /api/xpert/direct-configs/{id}`
pub(super) async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, WRITE).await?;
    one(call, &store::remove(number(id, NONE)?)).await?;
    Ok(Response::from_json(&json!({ "message": "Direct config deleted successfully" }))?)
}

/// `PUT /api/xpert/direct-configs/{id}/toggle`
pub(super) async fn toggle(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, WRITE).await?;
    let config = one(call, &store::toggle(number(id, NONE)?)).await?;
    let message = "Direct config toggled successfully";
    Ok(Response::from_json(&json!({ "message": message, "is_active": config.is_active == 1 }))?)
}

/// `PUT /api/xpert/direct-configs/{id}/permanent`
pub(super) async fn permanent(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, WRITE).await?;
    let config = one(call, &store::toggle_permanent(number(id, NONE)?)).await?;
    let message = "Direct config updated successfully";
    Ok(Response::from_json(&json!({ "message": message, "is_permanent": config.is_permanent == 1 }))?)
}

/// `POST /api/xpert/direct-configs/reorder`
///
/// `{"ids"}` is the whole order: what it leaves out comes behind, as it stood. `{"source_id","target_id"}` puts one in
/// another one's place.
pub(super) async fn reorder(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let wanted: Reorder = body::json(&mut request).await?;
    let configs: Vec<Config> = call.db.all(store::all()).await?;
    let mut order: Vec<i64> = configs.iter().map(|config| config.id).collect();
    let place = |order: &[i64], id: i64| order.iter().position(|other| *other == id).ok_or(NONE);
    match (wanted.ids, wanted.source_id, wanted.target_id) {
        (Some(first), None, None) => {
            for (index, id) in first.iter().enumerate() {
                place(&order, *id)?;
                if first.iter().take(index).any(|other| other == id) {
                    return Err(Failure::invalid("ids", "each config once"));
                }
            }
            order.retain(|id| !first.contains(id));
            order = first.into_iter().chain(order).collect();
        }
        (None, Some(source), Some(target)) => {
            let (from, to) = (place(&order, source)?, place(&order, target)?);
            let moved = order.remove(from);
            order.insert(to.min(order.len()), moved);
        }
        _ => return Err(Failure::invalid("ids", "a list of numbers, or source_id and target_id instead")),
    }
    call.db.batch(&store::order(&order)).await?;
    Ok(Response::from_json(&json!({ "message": "Direct configs reordered", "total": order.len() }))?)
}
