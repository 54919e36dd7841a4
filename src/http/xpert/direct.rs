//! Direct configs: adding, checking, ordering, switching. Only the operator's own hand changes one.

mod order;
mod told;

use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use self::order::{Reorder, ordered};
use self::told::{check, facts, link_facts, new, read, shown};
use super::sources::publish;
use super::{LINKS, WRITE, number};
use crate::domain::audit::{Actor, Entry, Facts, Secret};
use crate::http::audit::{Deed, recorded};
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
/// Letters of a refused line that are shown again.
const PREFIX: usize = 80;
/// Names of added links that the audit log shows.
const SHOWN: usize = 50;
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

/// What is done to one config: what the log calls it, what is so afterwards unless it is gone then, and the statements, the
/// first of which returns the config.
struct Act(&'static str, Option<Facts>, [Statement; 2]);

/// Does something to one config and records it.
async fn act(call: &Call, actor: &Actor, id: &str, choose: impl Fn(&Config) -> Act) -> Result<Config, Failure> {
    let id = number(id, NONE)?;
    let prepare = async || {
        let config: Config = call.db.first(store::one(id)).await?.ok_or(NONE)?;
        let Act(action, after, batch) = choose(&config);
        let entry = Entry::new(action, format!("direct-configs/{id}"));
        let entry = match after {
            Some(after) => entry.before(facts(&config).named_in(&after)).after(after),
            None => entry.before(facts(&config)),
        };
        Ok(Deed::new(entry, batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let config = changed(&outcomes)?.pop().ok_or(NONE)?;
    // Links of sources give way to direct configs.
    publish(call).await?;
    Ok(config)
}

/// Adds links that are not there yet, and records them; returns those that were added.
async fn add_new(call: &Call, actor: &Actor, links: &[New<'_>]) -> Result<Vec<Config>, Failure> {
    let raws: Vec<&str> = links.iter().map(|link| link.raw).collect();
    let prepare = async || {
        let there: Vec<Raw> = call.db.all(store::present(&raws)).await?;
        let is_new = |link: &&New<'_>| there.iter().all(|known| known.raw != link.raw);
        let new: Vec<&New<'_>> = links.iter().filter(is_new).collect();
        let entry = match new.as_slice() {
            [] => return Ok(Deed::nothing(())),
            [one] => Entry::new("direct_config.add", "direct-configs").after(link_facts(one)),
            many => {
                let names: Vec<&str> = many.iter().take(SHOWN).map(|link| link.name).collect();
                let facts = Facts::new().plain("added", many.len()).plain("names", names);
                let all: Vec<&str> = many.iter().map(|link| link.raw).collect();
                Entry::new("direct_config.add", "direct-configs")
                    .after(facts.hidden("raw", Secret::new(all.join("\n"))))
            }
        };
        Ok(Deed::new(entry, store::add(links, call.now), ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    publish(call).await?;
    changed(&outcomes)
}

/// The configs that a change gives back.
fn changed(outcomes: &[Outcome]) -> Result<Vec<Config>, Failure> {
    Ok(outcomes.first().map(Outcome::rows).transpose()?.unwrap_or_default())
}

/// `GET /api/xpert/direct-configs`
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, LINKS).await?;
    let configs: Vec<Config> = call.db.all(store::all()).await?;
    let configs: Vec<Value> = configs.iter().map(shown).collect();
    Ok(Response::from_json(&json!({ "total": configs.len(), "configs": configs }))?)
}

/// `POST /api/xpert/direct-configs`
pub(super) async fn add(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let add: Add = body::json(&mut request).await?;
    check(add.remarks.as_deref())?;
    let link = read(&add.raw).map_err(|why| Failure::invalid("raw", why))?;
    let added = add_new(call, &actor, &[new(&link, add.remarks.as_deref())]).await?;
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
    let actor = authorize(&request, call, WRITE).await?;
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
    let mut added = if rows.is_empty() { Vec::new() } else { add_new(call, &actor, &rows).await? };
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
    authorize(&request, call, LINKS).await?;
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
    let actor = authorize(&request, call, WRITE).await?;
    let change: Change = body::json(&mut request).await?;
    check(change.remarks.as_deref())?;
    let link = change.raw.as_deref().map(read).transpose().map_err(|why| Failure::invalid("raw", why))?;
    let link = link.as_ref().map(|link| new(link, None));
    let choose = |config: &Config| {
        let mut after = link.as_ref().map(link_facts).unwrap_or_default();
        if let Some(remarks) = &change.remarks {
            after = after.plain("remarks", remarks.as_str());
        }
        Act("direct_config.change", Some(after), store::change(config.id, link.as_ref(), change.remarks.as_deref()))
    };
    let config = match act(call, &actor, id, choose).await {
        Err(Failure::Conflict { code: "taken", .. }) => return Err(taken()),
        other => other?,
    };
    let message = "Direct config updated successfully";
    Ok(Response::from_json(&json!({ "message": message, "config": shown(&config) }))?)
}

/// `DELETE /api/xpert/direct-configs/{id}`
pub(super) async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |config: &Config| Act("direct_config.delete", None, store::remove(config.id));
    act(call, &actor, id, choose).await?;
    Ok(Response::from_json(&json!({ "message": "Direct config deleted successfully" }))?)
}

/// `PUT /api/xpert/direct-configs/{id}/toggle`
pub(super) async fn toggle(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |config: &Config| {
        let after = Facts::new().plain("is_active", config.is_active == 0);
        Act("direct_config.toggle", Some(after), store::toggle(config.id))
    };
    let config = act(call, &actor, id, choose).await?;
    let message = "Direct config toggled successfully";
    Ok(Response::from_json(&json!({ "message": message, "is_active": config.is_active == 1 }))?)
}

/// `PUT /api/xpert/direct-configs/{id}/permanent`
pub(super) async fn permanent(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |config: &Config| {
        let after = Facts::new().plain("is_permanent", config.is_permanent == 0);
        Act("direct_config.toggle", Some(after), store::toggle_permanent(config.id))
    };
    let config = act(call, &actor, id, choose).await?;
    let message = "Direct config updated successfully";
    Ok(Response::from_json(&json!({ "message": message, "is_permanent": config.is_permanent == 1 }))?)
}

/// `POST /api/xpert/direct-configs/reorder`
///
/// `{"ids"}` is the whole order: what it leaves out comes behind, as it stood. `{"source_id","target_id"}` puts one in
/// another one's place.
pub(super) async fn reorder(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let wanted: Reorder = body::json(&mut request).await?;
    let prepare = async || {
        let configs: Vec<Config> = call.db.all(store::all()).await?;
        let before: Vec<i64> = configs.iter().map(|config| config.id).collect();
        let order = ordered(before.clone(), &wanted)?;
        let entry = Entry::new("direct_config.reorder", "direct-configs")
            .before(Facts::new().plain("ids", before))
            .after(Facts::new().plain("ids", order.as_slice()));
        Ok(Deed::new(entry, store::order(&order), order.len()))
    };
    let (_, total) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&json!({ "message": "Direct configs reordered", "total": total }))?)
}
