//! Subscriptions of others: adding, changing, switching, removing.

mod fetch;
mod names;
mod now;
mod own;
mod update;

use serde::Deserialize;
use serde_json::{Value, json};
use weir_wire::Second;
use worker::{Request, Response};

use super::{LINKS, WRITE, number, variables};
use crate::domain::audit::{Actor, Entry, Facts, Secret};
use crate::domain::reach::Place;
use crate::domain::source::gather::LeftOut;
use crate::domain::source::rules::Rules;
use crate::domain::source::userinfo::Userinfo;
use crate::domain::xpert::figures::stamp;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::jobs;
use crate::store::sources::{self as store, New, Source, State};

pub(super) use now::{test, update};
pub(crate) use own::refuse;
pub(crate) use update::publish;

/// The header by which a fetch of ours is known.
const MARK: &str = "weir-source";
/// Longest name, in characters, and greatest priority.
const NAME: usize = 60;
const PRIORITY: u32 = 10_000;
const JOB: &str = "sources";
const NONE: Failure = Failure::NotFound("source");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    url: String,
    #[serde(default = "first")]
    priority: u32,
    #[serde(default)]
    rules: Rules,
}

const fn first() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    priority: Option<u32>,
    #[serde(default)]
    rules: Option<Rules>,
}

fn shown(source: &Source) -> Result<Value, Failure> {
    let broken = |error| Failure::Broken(format!("a stored source: {error}"));
    let rules: Rules = serde_json::from_str(&source.rules).map_err(broken)?;
    let left_out: LeftOut = serde_json::from_str(&source.left_out).map_err(broken)?;
    Ok(json!({
        "id": source.id,
        "name": source.name,
        "url": source.url,
        "priority": source.priority,
        "is_active": source.enabled == 1,
        "rules": rules,
        "config_count": source.config_count,
        "format": source.format,
        "left_out": left_out,
        "userinfo": source.userinfo.as_deref().map(Userinfo::read),
        "last_update": source.tried_at.map(stamp),
        "last_success": source.good_at.map(stamp),
        "next_update": (source.enabled == 1 && source.next_at > 0).then(|| stamp(source.next_at)),
        "error": source.error,
        "failures": source.failures,
        "attempts": source.attempts,
        "successes": source.successes,
        "created_at": stamp(source.created_at),
    }))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let fits = (1..=NAME).contains(&name.chars().count()) && name.chars().all(|c| !c.is_control());
    if fits && name.trim() == name { Ok(()) } else { Err(Failure::invalid("name", "1 to 60 printable characters")) }
}

fn check_priority(priority: u32) -> Result<(), Failure> {
    if priority <= PRIORITY { Ok(()) } else { Err(Failure::invalid("priority", "an integer from 0 to 10000")) }
}

fn check_rules(rules: &Rules) -> Result<String, Failure> {
    rules.check().map_err(|(field, rule)| Failure::invalid(format!("rules.{field}"), rule))?;
    serde_json::to_string(rules).map_err(|error| Failure::Broken(format!("rules: {error}")))
}

fn check_url(call: &Call, url: &str, own: &[String]) -> Result<(), Failure> {
    let place = Place::read(url, &variables::sources_allowed(&call.env));
    let place = place.map_err(|refusal| Failure::invalid("url", refusal.to_string()))?;
    if own.contains(&place.authority) { Err(Failure::invalid("url", "this is the panel itself")) } else { Ok(()) }
}

/// What the audit log tells of a source: whose address it is can be read by who has it.
fn facts(source: &Source) -> Facts {
    Facts::new()
        .plain("name", source.name.as_str())
        .hidden("url", Secret::new(source.url.as_str()))
        .plain("priority", source.priority)
        .plain("is_active", source.enabled == 1)
        .plain("rules", source.rules.as_str())
}

/// The source that a batch gives back first.
fn changed(outcomes: &[Outcome]) -> Result<Option<Source>, Failure> {
    Ok(outcomes.first().map(Outcome::rows).transpose()?.unwrap_or_default().pop())
}

/// Does something to one source, records it, and publishes what follows.
async fn act(
    call: &Call,
    actor: &Actor,
    id: &str,
    choose: impl Fn(&Source) -> (Entry, crate::store::Statement),
) -> Result<Source, Failure> {
    let id = number(id, NONE)?;
    let prepare = async || {
        let source: Source = call.db.first(store::one(id)).await?.ok_or(NONE)?;
        let (entry, statement) = choose(&source);
        Ok(Deed::new(entry, [statement, jobs::call(JOB, call.now)], ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let source = changed(&outcomes)?.ok_or(NONE)?;
    publish(call).await?;
    Ok(source)
}

/// `GET /api/xpert/sources`
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, LINKS).await?;
    let outcomes = call.db.batch(&[store::all(), store::state()]).await?;
    let [sources, state] = outcomes.as_slice() else { return Err(Failure::Broken("two statements, not two".into())) };
    let sources = sources.rows::<Source>()?.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    let note = state.rows::<State>()?.pop().and_then(|state| state.note);
    Ok(Response::from_json(&json!({ "total": sources.len(), "sources": sources, "note": note }))?)
}

/// `POST /api/xpert/sources`
///
/// The source is fetched within a minute, or at once by `POST /update`.
pub(super) async fn add(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let add: Add = body::json(&mut request).await?;
    check_name(&add.name)?;
    check_priority(add.priority)?;
    let rules = check_rules(&add.rules)?;
    check_url(call, &add.url, &own::authorities(call, Some(&request)).await?)?;
    let new = New { name: &add.name, url: &add.url, priority: add.priority, enabled: true, rules: &rules };
    let prepare = async || {
        let entry = Entry::new("source.add", "sources").after(
            Facts::new()
                .plain("name", new.name)
                .hidden("url", Secret::new(new.url))
                .plain("priority", new.priority)
                .plain("rules", new.rules),
        );
        let all: Vec<Source> = call.db.all(store::all()).await?;
        if all.len() >= usize::try_from(store::MOST).unwrap_or(usize::MAX) {
            let message = format!("there are {} sources, more are not possible", store::MOST);
            return Err(Failure::Conflict { code: "too_many", message });
        }
        Ok(Deed::new(entry, [store::add(&new, call.now), jobs::call(JOB, call.now)], ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let source = changed(&outcomes)?.ok_or_else(|| Failure::Broken("a source was added and is not there".into()))?;
    let message = "Source added successfully";
    Ok(Response::from_json(&json!({ "id": source.id, "message": message, "source": shown(&source)? }))?)
}

/// `PUT /api/xpert/sources/{id}`
///
/// Changes what the body names; `rules` is replaced whole. The source is fetched anew, and its copy stays until then.
pub(super) async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let change: Change = body::json(&mut request).await?;
    change.name.as_deref().map_or(Ok(()), check_name)?;
    change.priority.map_or(Ok(()), check_priority)?;
    let rules = change.rules.as_ref().map(check_rules).transpose()?;
    if let Some(url) = &change.url {
        check_url(call, url, &own::authorities(call, Some(&request)).await?)?;
    }
    let choose = |source: &Source| {
        let mut after = Facts::new();
        if let Some(name) = &change.name {
            after = after.plain("name", name.as_str());
        }
        if let Some(url) = &change.url {
            after = after.hidden("url", Secret::new(url.as_str()));
        }
        if let Some(priority) = change.priority {
            after = after.plain("priority", priority);
        }
        if let Some(rules) = &rules {
            after = after.plain("rules", rules.as_str());
        }
        let entry = Entry::new("source.change", format!("sources/{}", source.id));
        let entry = entry.before(facts(source).named_in(&after)).after(after);
        let (name, url) = (change.name.as_deref(), change.url.as_deref());
        (entry, store::change(source.id, name, url, change.priority, rules.as_deref()))
    };
    let source = act(call, &actor, id, choose).await?;
    let message = "Source updated successfully";
    Ok(Response::from_json(&json!({ "message": message, "source": shown(&source)? }))?)
}

/// `DELETE /api/xpert/sources/{id}`
pub(super) async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |source: &Source| {
        let entry = Entry::new("source.delete", format!("sources/{}", source.id)).before(facts(source));
        (entry, store::remove(source.id))
    };
    act(call, &actor, id, choose).await?;
    Ok(Response::from_json(&json!({ "message": "Source deleted successfully" }))?)
}

/// `POST /api/xpert/sources/{id}/toggle`
pub(super) async fn toggle(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |source: &Source| {
        let after = Facts::new().plain("is_active", source.enabled == 0);
        let entry = Entry::new("source.toggle", format!("sources/{}", source.id));
        (entry.before(facts(source).named_in(&after)).after(after), store::toggle(source.id))
    };
    let source = act(call, &actor, id, choose).await?;
    let message = "Source toggled successfully";
    Ok(Response::from_json(&json!({ "message": message, "is_active": source.enabled == 1 }))?)
}

/// Fetches at most `most` of the sources that are due, and publishes what follows.
pub(crate) async fn fetch_due(call: &Call, most: usize) -> Result<(), Failure> {
    // What a run that was cut off has left.
    publish(call).await?;
    let own = own::authorities(call, None).await?;
    for _ in 0..most {
        if update::one(call, None, &own).await?.is_none() {
            break;
        }
        publish(call).await?;
    }
    Ok(())
}

/// When the next source is due; none while there is none that is on.
pub(crate) async fn next_due(call: &Call) -> Result<Option<Second>, Failure> {
    let next: Option<store::Next> = call.db.first(store::next()).await?;
    Ok(next.and_then(|next| next.next_at).map(Second::clamped))
}
