//! Subscriptions of others: adding, switching, fetching, looking at one before it is added.

mod fetch;
mod names;
mod own;
mod update;

use serde::Deserialize;
use serde_json::{Value, json};
use weir_wire::Second;
use worker::{Request, Response};

use super::{READ, WRITE, number, variables};
use crate::domain::audit::{Actor, Entry, Facts, Secret};
use crate::domain::reach::Place;
use crate::domain::source::gather::{LeftOut, Stored};
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

pub(crate) use own::refuse;
pub(crate) use update::publish;

/// The header by which a fetch of ours is known.
const MARK: &str = "weir-source";
/// Longest name, in characters, and greatest priority.
const NAME: usize = 60;
const PRIORITY: u32 = 10_000;
/// Links that a test of an address shows.
const SAMPLES: usize = 5;
/// Sources that a request fetches itself; the job does the others.
const INLINE: usize = 2;
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    url: String,
    #[serde(default)]
    rules: Rules,
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
    authorize(request, call, READ).await?;
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

/// `POST /api/xpert/update`
///
/// Fetches now: source `id`, or all that are on. A request fetches two of them itself, because it may not ask more of the
/// platform; the job goes on with the others within a minute.
pub(super) async fn update(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let bytes = body::read(&mut request, body::MAX_JSON).await?;
    let Update { id } = if bytes.is_empty() { Update::default() } else { body::parse(&bytes)? };
    let id = id.map(i64::from);
    let prepare = async || {
        if let Some(id) = id {
            call.db.first::<Source>(store::one(id)).await?.ok_or(NONE)?;
        }
        let subject = id.map_or_else(|| "sources".to_owned(), |id| format!("sources/{id}"));
        Ok(Deed::new(Entry::new("source.update", subject), [store::hurry(id), jobs::call(JOB, call.now)], ()))
    };
    recorded(call, &actor, prepare).await?;
    let own = own::authorities(call, Some(&request)).await?;
    let mut fetched = Vec::new();
    for _ in 0..if id.is_some() { 1 } else { INLINE } {
        match update::one(call, id, &own).await? {
            Some(source) => fetched.push(source.id),
            None => break,
        }
    }
    publish(call).await?;
    let sources: Vec<Source> = call.db.all(store::all()).await?;
    let queued = sources.iter().filter(|source| source.enabled == 1 && source.next_at <= call.now.get()).count();
    let done = sources.iter().filter(|source| fetched.contains(&source.id));
    let done = done.map(shown).collect::<Result<Vec<_>, _>>()?;
    let good = done.iter().filter(|source| source.get("error").is_some_and(Value::is_null)).count();
    Ok(Response::from_json(&json!({
        "success": good == done.len(),
        "message": format!("{good} of {} sources updated, {queued} will follow", done.len()),
        "sources": done,
        "queued": queued,
    }))?)
}

/// `POST /api/xpert/test-url`
///
/// What a source at this address would give; nothing is stored. What is wrong with the address or the answer is in `error`.
pub(super) async fn test(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, WRITE).await?;
    let test: Test = body::json(&mut request).await?;
    check_rules(&test.rules)?;
    let own = own::authorities(call, Some(&request)).await?;
    let taken = update::take(call, &test.url, &test.rules, "test", (None, None), &own).await;
    Ok(Response::from_json(&match taken {
        Ok(Some(update::Taken { gathered, .. })) => {
            let samples: Vec<&str> =
                gathered.links.iter().take(SAMPLES).map(|Stored(_, link, _)| link.as_str()).collect();
            json!({
                "success": true,
                "config_count": gathered.links.len(),
                "sample_configs": samples,
                "format": gathered.format.name(),
                "left_out": gathered.left_out,
            })
        }
        // Without anything to compare with there is no "not modified".
        Ok(None) => json!({ "success": false, "config_count": 0, "sample_configs": [], "error": "it answered 304" }),
        Err(refused) => json!({
            "success": false,
            "config_count": 0,
            "sample_configs": [],
            "error": refused.why,
            "left_out": refused.left_out,
        }),
    })?)
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
