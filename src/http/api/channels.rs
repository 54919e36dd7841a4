//! Channels: where events are told.

mod body;

use serde::Serialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use body::{ChannelChange, Entered, NewChannel};

use super::segment;
use crate::clock;
use crate::domain::audit::{Actor, Entry, Facts, Secret};
use crate::domain::notice::channel::{Audience, Rules, Target, WebhookForm};
use crate::domain::notice::{Event, Kind};
use crate::domain::role::scope;
use crate::http::address;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body as request_body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::notify::{self, Line, Verdict};
use crate::random;
use crate::store::channels::{self as store, Channel, Created};
use crate::store::d1::Outcome;
use crate::store::{deliveries, jobs};

/// Channels of one panel: each is looked at in every run that has something to send.
const MOST: u32 = 20;
/// Deliveries that one request replays at most.
const MOST_REPLAYED: u32 = 1_000;

/// A channel as the API shows it; instants in unix seconds. Secrets are left out.
#[derive(Serialize)]
struct ChannelJson {
    id: i64,
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    enabled: bool,
    audience: String,
    #[serde(flatten)]
    rules: Rules,
    /// Address, as much of it as the caller may see; `null` when it was sealed under another key.
    target: Option<Value>,
    created_at: i64,
    /// Tries in a row that failed.
    failures: u32,
    /// When it is tried again; `null` while it works.
    next_at: Option<i64>,
    tried_at: Option<i64>,
    delivered_at: Option<i64>,
    status: Option<u16>,
    error: Option<String>,
}

impl ChannelJson {
    /// As `actor` may see it: the address is whole for who may change it, because it is what lets a sender in.
    fn new(call: &Call, actor: &Actor, channel: Channel) -> Result<Self, Failure> {
        let target = match notify::open_target(call, &channel.target) {
            Ok(target) if actor.reaches("channels:write") => Some(target.shown()),
            Ok(target) => Some(target.outline()),
            // It can still be seen, mended and deleted.
            Err(Failure::Conflict { .. }) => None,
            Err(failure) => return Err(failure),
        };
        Ok(Self {
            rules: rules(&channel)?,
            target,
            id: channel.id,
            name: channel.name,
            type_name: channel.type_name,
            enabled: channel.enabled == 1,
            audience: channel.audience,
            created_at: channel.created_at,
            failures: channel.failures,
            next_at: (channel.failures > 0).then_some(channel.next_at),
            tried_at: channel.tried_at,
            delivered_at: channel.delivered_at,
            status: channel.status,
            error: channel.error,
        })
    }
}

fn rules(channel: &Channel) -> Result<Rules, Failure> {
    serde_json::from_str(&channel.rules)
        .map_err(|error| Failure::Broken(format!("rules of channel {}: {error}", channel.id)))
}

/// `GET /api/v1/channels`
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "channels:read").await?;
    let all: Vec<Channel> = call.db.all(store::all()).await?;
    let items =
        all.into_iter().map(|channel| ChannelJson::new(call, &actor, channel)).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/channels`
///
/// 201 with the channel, and with the `secret` of a webhook that came without one: it is shown once.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "channels:write").await?;
    let new: NewChannel = request_body::json(&mut request).await?;
    let made = format!("whsec_{}", hex::encode(random::bytes::<24>()?));
    let entered = new.enter(&made, settings::zone(&call.env), &address::origin(&request))?;
    may_tell_links(&actor, &entered)?;
    let sealed = Sealed::new(call, &entered)?;
    let prepare = async || {
        let entry = Entry::new("channel.create", format!("channels/{}", entered.name)).after(entered.facts());
        Ok(Deed::new(entry, [store::create(&sealed.fields(&entered), MOST, call.now)], ()))
    };
    if call.db.all::<Channel>(store::all()).await?.len() >= usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(too_many());
    }
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let created: Option<Created> = outcomes.first().map(Outcome::rows).transpose()?.and_then(|mut rows| rows.pop());
    // Somebody else was quicker.
    let Created { id } = created.ok_or_else(too_many)?;
    let mut channel = serde_json::to_value(ChannelJson::new(call, &actor, find(call, id).await?)?)
        .map_err(|error| Failure::Broken(format!("channel {id}: {error}")))?;
    if let (Target::Webhook(webhook), Some(channel)) = (&entered.target, channel.as_object_mut())
        && webhook.secret == made
    {
        channel.insert("secret".into(), json!(made));
    }
    let mut response = Response::from_json(&channel)?.with_status(201);
    response.headers_mut().set("location", &format!("/api/v1/channels/{id}"))?;
    Ok(response)
}

/// What Marzban tells of a user has his link and his credentials in it: only who may see them may have them sent.
fn may_tell_links(actor: &Actor, entered: &Entered) -> Result<(), Failure> {
    let tells = matches!(&entered.target, Target::Webhook(webhook) if webhook.form == WebhookForm::Marzban);
    if tells && !actor.reaches("users:links") { Err(Failure::Forbidden(scope("users:links"))) } else { Ok(()) }
}

fn too_many() -> Failure {
    Failure::Conflict { code: "too_many", message: format!("there are {MOST} channels already") }
}

/// What an operator entered, checked and sealed, as it is stored.
struct Sealed {
    rules: String,
    wants: String,
    target: String,
}

impl Sealed {
    fn new(call: &Call, entered: &Entered) -> Result<Self, Failure> {
        let private = notify::may_be_private(call);
        entered.target.check(entered.audience, private).map_err(|(field, rule)| Failure::invalid(field, rule))?;
        let broken = |error: serde_json::Error| Failure::Broken(format!("channel: {error}"));
        Ok(Self {
            rules: serde_json::to_string(&entered.rules).map_err(broken)?,
            wants: serde_json::to_string(&entered.wants()).map_err(broken)?,
            target: notify::seal_target(call, &entered.target)?,
        })
    }

    fn fields<'a>(&'a self, entered: &'a Entered) -> store::Fields<'a> {
        store::Fields {
            name: entered.name.as_str(),
            type_name: entered.target.name(),
            enabled: entered.enabled,
            audience: entered.audience.name(),
            rules: &self.rules,
            wants: &self.wants,
            target: &self.target,
        }
    }
}

impl Entered {
    /// For the log: the address with its secrets only as a fingerprint.
    fn facts(&self) -> Facts {
        let rules = serde_json::to_value(&self.rules).unwrap_or_default();
        let target = serde_json::to_string(&self.target).unwrap_or_default();
        Facts::new()
            .plain("name", self.name.as_str())
            .plain("type", self.target.name())
            .plain("enabled", self.enabled)
            .plain("audience", self.audience.name())
            .plain("rules", rules)
            .hidden("target", Secret::new(target))
    }
}

/// What the log keeps of an action on a stored channel.
fn entry(action: &'static str, channel: &Channel) -> Entry {
    Entry::new(action, format!("channels/{}", channel.name)).before(before(channel))
}

fn before(channel: &Channel) -> Facts {
    Facts::new()
        .plain("name", channel.name.as_str())
        .plain("type", channel.type_name.as_str())
        .plain("enabled", channel.enabled == 1)
        .plain("audience", channel.audience.as_str())
        .plain("rules", serde_json::from_str::<Value>(&channel.rules).unwrap_or_default())
}

/// A channel by its number in a path.
pub(super) async fn by_path(call: &Call, id: &str) -> Result<Channel, Failure> {
    let id = segment(id)?.parse().map_err(|_| Failure::NotFound("channel"))?;
    find(call, id).await
}

async fn find(call: &Call, id: i64) -> Result<Channel, Failure> {
    call.db.first(store::one(id)).await?.ok_or(Failure::NotFound("channel"))
}

/// `GET /api/v1/channels/{id}`
pub(crate) async fn get(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "channels:read").await?;
    Ok(Response::from_json(&ChannelJson::new(call, &actor, by_path(call, id).await?)?)?)
}

/// `PATCH /api/v1/channels/{id}`
///
/// Fields that are missing stay, secrets among them while the host that gets them does. What waits is tried at once.
pub(crate) async fn change(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "channels:write").await?;
    let change: ChannelChange = request_body::json(&mut request).await?;
    let panel = address::origin(&request);
    let prepare = async || {
        let channel = by_path(call, id).await?;
        let target = match notify::open_target(call, &channel.target) {
            Ok(target) => Some(target),
            Err(Failure::Conflict { .. }) => None,
            Err(failure) => return Err(failure),
        };
        let entered = change.clone().over(&channel, rules(&channel)?, target, &panel)?;
        may_tell_links(&actor, &entered)?;
        let sealed = Sealed::new(call, &entered)?;
        let batch = [store::change(channel.id, &sealed.fields(&entered)), jobs::call("outbox", call.now)];
        Ok(Deed::new(entry("channel.change", &channel).after(entered.facts()), batch, channel.id))
    };
    let (_, id) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&ChannelJson::new(call, &actor, find(call, id).await?)?)?)
}

/// `DELETE /api/v1/channels/{id}`
///
/// 204. What waits for it is forgotten.
pub(crate) async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "channels:write").await?;
    let prepare = async || {
        let channel = by_path(call, id).await?;
        Ok(Deed::new(entry("channel.delete", &channel), [store::delete(channel.id)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

/// `POST /api/v1/channels/{id}/test`
///
/// Sends a test at once, whatever the rules say, and answers how it went. A channel for users needs `to`.
pub(crate) async fn test(mut request: Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(&request, call, "channels:write").await?;
    let text = request_body::read(&mut request, request_body::MAX_JSON).await?;
    let body::Trial { to } = if text.is_empty() { body::Trial::default() } else { request_body::parse(&text)? };
    let channel = by_path(call, id).await?;
    let target = notify::open_target(call, &channel.target)?;
    let audience = body::audience(&channel);
    if audience == Audience::User && to.is_none() {
        return Err(Failure::invalid("to", "it is missing: this channel tells users, each at his own address"));
    }
    let rules = rules(&channel)?;
    let data = json!({ "channel": channel.name, "channel_id": channel.id });
    let id = hex::encode(random::bytes::<16>()?);
    let event = Event { id, kind: Kind::Test, at: call.now.get(), data };
    let line = Line { call, target: &target, audience, rules: &rules };
    let began = clock::millis();
    let outcome = line.send(&[event], to.as_ref().map(crate::domain::name::Email::as_str), call.now).await;
    Ok(Response::from_json(&json!({
        "delivered": outcome.verdict == Verdict::Delivered,
        "status": outcome.status,
        "error": outcome.error,
        "lasted_ms": clock::millis().saturating_sub(began),
    }))?)
}

/// `POST /api/v1/channels/{id}/replay`
///
/// Sends its dead deliveries again, the oldest 1,000.
pub(crate) async fn replay(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "channels:write").await?;
    let prepare = async || {
        let channel = by_path(call, id).await?;
        let batch = [
            deliveries::replay_dead(channel.id, MOST_REPLAYED, call.now),
            store::wake(channel.id),
            jobs::call("outbox", call.now),
        ];
        Ok(Deed::new(Entry::new("channel.replay", format!("channels/{}", channel.name)), batch, ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let replayed = outcomes.first().map_or(0, Outcome::changes);
    Ok(Response::from_json(&json!({ "replayed": replayed }))?)
}
