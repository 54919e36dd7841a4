//! Deliveries and events: what was told to whom, and telling it again.

use serde::Serialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use super::{ITEMS, MOST_ITEMS, number, segment};
use crate::domain::audit::Entry;
use crate::domain::notice::Kind;
use crate::http::address::parameter;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::deliveries::{self as store, Shown, parts};
use crate::store::{channels, events, jobs};

/// A delivery as the API shows it; instants in unix seconds.
#[derive(Serialize)]
struct DeliveryJson {
    id: String,
    channel: i64,
    event_id: String,
    kind: String,
    state: String,
    queued_at: i64,
    tries: u32,
    /// When it is tried again; `null` when it is not, or may be at any time.
    next_at: Option<i64>,
    tried_at: Option<i64>,
    status: Option<u16>,
    error: Option<String>,
}

impl From<Shown> for DeliveryJson {
    fn from(row: Shown) -> Self {
        Self {
            id: row.id(),
            next_at: (row.state == "waiting" && row.next_at > 0).then_some(row.next_at),
            channel: row.channel,
            event_id: row.event_id,
            kind: row.kind,
            state: row.state,
            queued_at: row.queued_at,
            tries: row.tries,
            tried_at: row.tried_at,
            status: row.status,
            error: row.error,
        }
    }
}

/// `GET /api/v1/deliveries?channel=&state=&limit=&before=`
///
/// The newest first. `next` is the `before` of the following page.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "channels:read").await?;
    let limit = number(request, "limit", ITEMS, 1, MOST_ITEMS)?;
    let channel = parameter(request, "channel").map(|id| id.parse::<i64>()).transpose();
    let channel = channel.map_err(|_| Failure::invalid("channel", "the id of a channel"))?;
    let state = parameter(request, "state").unwrap_or_default();
    if !["", "waiting", "delivered", "dead"].contains(&state.as_str()) {
        return Err(Failure::invalid("state", "waiting, delivered or dead"));
    }
    let before = match parameter(request, "before") {
        Some(id) => parts(&id).ok_or_else(|| Failure::invalid("before", "the id of a delivery"))?,
        None => (i64::from(u32::MAX) << 20, 0),
    };
    let rows: Vec<Shown> = call.db.all(store::list(channel, &state, before, limit)).await?;
    let items: Vec<DeliveryJson> = rows.into_iter().map(DeliveryJson::from).collect();
    let is_full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.last().filter(|_| is_full).map(|last| last.id.clone());
    Ok(Response::from_json(&json!({ "items": items, "next": next }))?)
}

/// `POST /api/v1/deliveries/{id}/replay`
///
/// 202: it is sent again, delivered or dead, within a minute. 409 while it waits anyway.
pub(crate) async fn replay(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "channels:write").await?;
    let missing = || Failure::NotFound("delivery");
    let (event, channel) = parts(&segment(id)?).ok_or_else(missing)?;
    let prepare = async || {
        let known: Option<channels::Channel> = call.db.first(channels::one(channel)).await?;
        known.ok_or_else(missing)?;
        let next = (event, channel.saturating_add(1));
        let found: Vec<Shown> = call.db.all(store::list(Some(channel), "", next, 1)).await?;
        let row = found.into_iter().find(|row| (row.event, row.channel) == (event, channel)).ok_or_else(missing)?;
        if row.state == "waiting" {
            return Err(Failure::Conflict { code: "waiting", message: "this delivery waits to be sent anyway".into() });
        }
        let batch = [store::replay(channel, event, call.now), channels::wake(channel), jobs::call("outbox", call.now)];
        Ok(Deed::new(Entry::new("delivery.replay", format!("deliveries/{event}-{channel}")), batch, ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(202))
}

/// An event as the API shows it.
#[derive(Serialize)]
struct EventJson {
    id: String,
    kind: String,
    at: i64,
    data: Value,
}

/// `GET /api/v1/events?kind=&limit=&before=`
///
/// The newest first: those that any channel wanted. `next` is the `before` of the following page.
pub(crate) async fn events(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "channels:read").await?;
    let limit = number(request, "limit", ITEMS, 1, MOST_ITEMS)?;
    let kind = parameter(request, "kind").unwrap_or_default();
    if !kind.is_empty() && !Kind::ALL.iter().any(|known| known.name() == kind) {
        return Err(Failure::invalid("kind", "the name of a kind, such as user.limited"));
    }
    let before = number(request, "before", u32::MAX, 1, u32::MAX)?;
    let rows: Vec<events::Row> = call.db.all(events::list(i64::from(before), &kind, limit)).await?;
    let is_full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| is_full).map(|last| last.number);
    let item = |row: events::Row| {
        let data = serde_json::from_str(&row.data);
        let data = data.map_err(|error| Failure::Broken(format!("event {}: {error}", row.number)))?;
        Ok(EventJson { id: row.id, kind: row.kind, at: row.at, data })
    };
    let items = rows.into_iter().map(item).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Response::from_json(&json!({ "items": items, "next": next }))?)
}
