//! Users.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use weir_wire::{Bytes, Second};
use worker::{Request, Response};

use super::user_json::UserJson;
use super::{ITEMS, MOST_ITEMS, number, parameter, segment};
use crate::domain::name::{Email, Note, UserName};
use crate::domain::period::{AnchorDay, Cycle, Strategy};
use crate::domain::user::Status;
use crate::domain::zone::Zone;
use crate::http::accounts;
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::route::UserAction;
use crate::store::users::{self, Action, Order, Query, Total, User};

/// The body of a creation. Quotas in bytes, 0 = unlimited; `expires_at` in unix seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: UserName,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    note: Option<Note>,
    #[serde(default)]
    monthly_quota: Bytes,
    #[serde(default)]
    total_quota: Bytes,
    #[serde(default)]
    reset_strategy: Strategy,
    #[serde(default = "first")]
    reset_day: AnchorDay,
    /// The deployment's own unless told.
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default)]
    expires_at: Option<Second>,
}

const fn first() -> AnchorDay {
    AnchorDay::FIRST
}

/// The body of a change: fields that it lacks stay; `null` clears those that a user may be without.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    name: Option<UserName>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    note: Option<Option<Note>>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    monthly_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    total_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    reset_strategy: Option<Strategy>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    reset_day: Option<AnchorDay>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Second>>,
}

/// A field that may be missing and may not be `null`: whoever clears a quota by it must not learn later that it stayed.
fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Tells a field that is `null` from one that is missing.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl UserChange {
    /// Whether a gate or a limit may depend on it.
    const fn matters(&self) -> bool {
        self.monthly_quota.is_some() || self.total_quota.is_some() || self.moves_cycle() || self.expires_at.is_some()
    }

    const fn moves_cycle(&self) -> bool {
        self.reset_strategy.is_some() || self.reset_day.is_some() || self.time_zone.is_some()
    }

    /// The cycle of a user whose cycle was `old`.
    fn cycle(&self, old: Cycle) -> Cycle {
        Cycle {
            strategy: self.reset_strategy.unwrap_or(old.strategy),
            day: self.reset_day.unwrap_or(old.day),
            zone: self.time_zone.unwrap_or(old.zone),
        }
    }
}

/// `GET /api/v1/users`
///
/// Query: `search`, `status` (`active`, `on_hold`, `limited`, `expired`, `disabled`), `sort` (name, used, created; `-` before it turns it
/// round), `limit` 1..=200, `offset`. Rows read: 2 a user shown and 1 a user left out before him; a search, a status or
/// another order than the names' scans the users once.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "users:read").await?;
    let query = query(request)?;
    let outcomes = call.db.batch(&[users::list(&query, call.now), users::count(&query, call.now)]).await?;
    let [page, count] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let found: Vec<User> = page.rows()?;
    let total = count.rows::<Total>()?.first().map_or(0, |count| count.total);
    let end = query.offset.saturating_add(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let items = found.into_iter().map(|user| UserJson::new(user, request, call)).collect::<Result<Vec<_>, _>>()?;
    let next = (end < total && !items.is_empty()).then_some(end);
    Ok(Response::from_json(&json!({ "items": items, "total": total, "next": next }))?)
}

fn query(request: &Request) -> Result<Query, Failure> {
    let status = match parameter(request, "status").as_deref() {
        None | Some("") => None,
        Some(name) => {
            let rule = "active, on_hold, limited, expired or disabled";
            Some(Status::named(name).ok_or_else(|| Failure::invalid("status", rule))?)
        }
    };
    let order = match parameter(request, "sort").as_deref() {
        None | Some("" | "name") => Order::Name,
        Some("-name") => Order::NameDown,
        Some("used") => Order::Used,
        Some("-used") => Order::UsedDown,
        Some("created") => Order::Created,
        Some("-created") => Order::CreatedDown,
        Some(_) => return Err(Failure::invalid("sort", "name, used or created, with - before it to turn it round")),
    };
    Ok(Query {
        search: parameter(request, "search").unwrap_or_default(),
        status,
        order,
        limit: number(request, "limit", ITEMS, 1, MOST_ITEMS)?,
        offset: number(request, "offset", 0, 0, u32::MAX)?,
    })
}

/// `POST /api/v1/users`
///
/// 201 with the user. He takes a slot that the nodes have loaded, so no node reloads for him.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:write").await?;
    let mut new: NewUser = body::json(&mut request).await?;
    let zone = new.time_zone.unwrap_or_else(|| settings::zone(&call.env));
    new.time_zone = Some(zone);
    let period = Cycle { strategy: new.reset_strategy, day: new.reset_day, zone }.first(call.now);
    let user = accounts::create(call, &actor, &new, new.name.as_str(), period).await?;
    let location = format!("/api/v1/users/{}", user.name);
    let mut response = Response::from_json(&UserJson::new(user, &request, call)?)?.with_status(201);
    response.headers_mut().set("location", &location)?;
    Ok(response)
}

pub(super) async fn find(call: &Call, name: &str) -> Result<User, Failure> {
    accounts::find(call, &segment(name)?).await
}

/// `GET /api/v1/users/{name}`
pub(crate) async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, "users:read").await?;
    let user = find(call, name).await?;
    Ok(Response::from_json(&UserJson::new(user, request, call)?)?)
}

/// `PATCH /api/v1/users/{name}`
///
/// Fields that the body lacks stay, `null` clears e-mail, note and expiry; a quota is cleared by 0. A changed strategy,
/// reset day or time zone moves the period's end to the first boundary to come.
pub(crate) async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:write").await?;
    let change: UserChange = body::json(&mut request).await?;
    let name = segment(name)?;
    let changed = if change.matters() {
        let choose = |user: &User| {
            let start = Second::clamped(user.period_start);
            let end = change.moves_cycle().then(|| change.cycle(user.cycle).containing(call.now, start).end);
            Ok(Action::Change(&change, end))
        };
        accounts::act(call, &actor, &name, choose).await?
    } else {
        accounts::describe(call, &actor, &name, &change).await?
    };
    Ok(Response::from_json(&UserJson::new(changed, &request, call)?)?)
}

/// `POST /api/v1/users/{name}/{reset,enable,disable,revoke}`
pub(crate) async fn do_to(request: &Request, call: &Call, name: &str, action: UserAction) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let choose = |_: &User| -> Result<Action<'_, ()>, Failure> {
        Ok(match action {
            UserAction::Reset => Action::Reset,
            UserAction::Enable => Action::Enable,
            UserAction::Disable => Action::Disable,
            UserAction::Revoke => Action::Revoke,
        })
    };
    let user = accounts::act(call, &actor, &segment(name)?, choose).await?;
    Ok(Response::from_json(&UserJson::new(user, request, call)?)?)
}

/// `DELETE /api/v1/users/{name}`
///
/// 204. His history stays, and bytes that are still to be reported are credited to it.
pub(crate) async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    accounts::delete(call, &actor, &segment(name)?).await?;
    Ok(Response::empty()?.with_status(204))
}
