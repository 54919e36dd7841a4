//! From how many addresses users connect, and who was found to share his account. Counts and times, never an address.

use serde_json::{Value, json};
use weir_wire::address::WINDOW;
use worker::{Request, Response};

use super::users::find;
use super::{ITEMS, MOST_ITEMS, number, parameter, settings};
use crate::domain::sharing::Sharing;
use crate::http::accounts;
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::addresses::{self, Suspicious, Whereabouts};

/// `GET /api/v1/users/{name}/addresses`
///
/// Rows read: 4, and what stands in the user's row: 2 per node and 1 per address.
pub(crate) async fn addresses(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let user = find(call, &actor, name).await?;
    let settings: Sharing = settings::read(call).await?;
    let found: Option<Whereabouts> = call.db.first(addresses::of_user(user.id, call.now)).await?;
    let (count, last_at) = found.as_ref().map_or((0, 0), |found| (found.count, found.last_at));
    Ok(Response::from_json(&json!({
        "count": count,
        "limit": user.address_limit.unwrap_or(settings.limit),
        "window": WINDOW,
        "last_seen_at": (last_at > 0).then_some(last_at),
        "nodes": found.map_or_else(|| Ok(json!([])), |found| parsed(&found.nodes))?,
    }))?)
}

/// `GET /api/v1/suspicious`
///
/// Query: `user`, `limit` 1..=200, `before` (a number of an item). The newest first. Rows read: 2 an item.
pub(crate) async fn suspicious(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:read").await?;
    let limit = number(request, "limit", ITEMS, 1, MOST_ITEMS)?;
    let before = number(request, "before", u32::MAX, 1, u32::MAX)?;
    let user = match parameter(request, "user") {
        None => None,
        Some(name) => Some(accounts::find(call, &actor, &name).await?.id),
    };
    // One more than is shown, to see whether others follow.
    let mut notes: Vec<Suspicious> = call.db.all(addresses::notes(user, before.into(), limit + 1)).await?;
    let more = notes.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    notes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = notes.last().filter(|_| more).map(|last| last.id);
    let items = notes.iter().map(rendered).collect::<Result<Vec<_>, _>>()?;
    Ok(Response::from_json(&json!({ "items": items, "next": next }))?)
}

fn rendered(note: &Suspicious) -> Result<Value, Failure> {
    let Suspicious { id, name, at, count, limit, nodes, until } = note;
    Ok(json!({
        "id": id, "user": name, "at": at, "count": count, "limit": limit, "nodes": parsed(nodes)?, "cut_until": until,
    }))
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Broken(format!("nodes of addresses: {error}")))
}
