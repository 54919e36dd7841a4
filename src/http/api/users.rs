//! Users.

use serde_json::json;
use worker::{Request, Response};

use super::user_body::{NewUser, UserChange};
use super::user_json::UserJson;
use super::{ITEMS, MOST_ITEMS, number, parameter, segment};
use crate::domain::audit::Actor;
use crate::domain::name::{OperatorName, PlanName};
use crate::domain::user::Status;
use crate::http::accounts;
use crate::http::auth::authorize_for_users;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::route::UserAction;
use crate::store::operators::{self, Operator};
use crate::store::plans::{self, Plan};
use crate::store::user_list::{self, Order, Query, Total};
use crate::store::users::{Action, User};

/// `GET /api/v1/users`
///
/// Query: `search`, `status` (`active`, `on_hold`, `limited`, `expired`, `disabled`), `plan`, `node` (the number of one that they have used), `owner` (an operator's number), `sort` (name, used, created; `-` before it
/// turns it round), `limit` 1..=200, `offset`. Rows read: 2 a user shown and 1 a user left out before him; a search, a status
/// or another order than the names' scans the users once.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let query = query(request, &actor)?;
    let outcomes = call.db.batch(&[user_list::list(&query, call.now), user_list::count(&query, call.now)]).await?;
    let [page, count] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let found: Vec<User> = page.rows()?;
    let total = count.rows::<Total>()?.first().map_or(0, |count| count.total);
    let end = query.offset.saturating_add(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let items = found.into_iter().map(|user| Ok(UserJson::new(user, request, call)?.seen_by(&actor)));
    let items = items.collect::<Result<Vec<_>, Failure>>()?;
    let next = (end < total && !items.is_empty()).then_some(end);
    Ok(Response::from_json(&json!({ "items": items, "total": total, "next": next }))?)
}

fn query(request: &Request, actor: &Actor) -> Result<Query, Failure> {
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
        plan: parameter(request, "plan").filter(|plan| !plan.is_empty()),
        node: Some(number(request, "node", 0, 0, u32::MAX)?).filter(|node| *node > 0),
        order,
        limit: number(request, "limit", ITEMS, 1, MOST_ITEMS)?,
        offset: number(request, "offset", 0, 0, u32::MAX)?,
        owner: actor.only.or(Some(number(request, "owner", 0, 0, u32::MAX)?).filter(|id| *id > 0).map(i64::from)),
    })
}

/// `POST /api/v1/users`
///
/// 201 with the user. He takes a slot that the nodes have loaded, so no node reloads for him, unless he has `credentials` of his own.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let mut new: NewUser = body::json(&mut request).await?;
    let plan = named(call, "plan", new.plan.as_ref()).await?;
    named(call, "next_plan.plan", new.next_plan.as_ref().and_then(|next| next.plan.as_ref())).await?;
    let period = new.settle(plan.as_ref(), settings::zone(&call.env), call.now)?;
    new.owner_id = owner(call, &actor, new.owner.as_ref()).await?;
    let said = new.credentials.as_ref();
    let user = accounts::create_for(call, &actor, &new, new.name.as_str(), said, period, new.owner_id).await?;
    let location = format!("/api/v1/users/{}", user.name);
    let mut response = Response::from_json(&UserJson::new(user, &request, call)?)?.with_status(201);
    response.headers_mut().set("location", &location)?;
    Ok(response)
}

/// The number of the operator whose user a new one is to be. Whoever has only users of his own gives none away.
async fn owner(call: &Call, actor: &Actor, name: Option<&OperatorName>) -> Result<Option<i64>, Failure> {
    let Some(name) = name else { return Ok(None) };
    if let (Some(role), Some(_)) = (actor.role, actor.only) {
        return Err(Failure::Role { role, action: "users:own" });
    }
    let found: Option<Operator> = call.db.first(operators::by_name(name.as_str())).await?;
    found.map(|operator| Some(operator.id)).ok_or_else(|| Failure::invalid("owner", "the name of an operator"))
}

/// The plan that a field names, if it names one.
pub(super) async fn named(call: &Call, field: &str, name: Option<&PlanName>) -> Result<Option<Plan>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let found: Option<Plan> = call.db.first(plans::by_name(name.as_str())).await?;
    found.map(Some).ok_or_else(|| Failure::invalid(field, "the name of a plan that exists"))
}

pub(super) async fn find(call: &Call, actor: &Actor, name: &str) -> Result<User, Failure> {
    accounts::find(call, actor, &segment(name)?).await
}

/// `GET /api/v1/users/{name}`
pub(crate) async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let user = find(call, &actor, name).await?;
    Ok(Response::from_json(&UserJson::new(user, request, call)?.seen_by(&actor))?)
}

/// `PATCH /api/v1/users/{name}`
///
/// Fields that the body lacks stay, `null` clears those that a user may be without; a quota is cleared by 0. A plan brings its
/// values. A changed strategy, reset day or time zone moves the period's end to the first boundary to come.
pub(crate) async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let mut change: UserChange = body::json(&mut request).await?;
    let plan = named(call, "plan", change.plan.as_ref().and_then(Option::as_ref)).await?;
    let next = change.next_plan.as_ref().and_then(Option::as_ref);
    named(call, "next_plan.plan", next.and_then(|next| next.plan.as_ref())).await?;
    let name = segment(name)?;
    if let Some(plan) = &plan {
        change.take(plan);
    }
    let found = if change.moves_times() { Some(accounts::find(call, &actor, &name).await?) } else { None };
    if let Some(found) = &found {
        change.settle(found, call.now)?;
    }
    let changed = if change.matters() {
        let choose = |user: &User| {
            // What follows for a hold was settled by how he stood.
            if found.as_ref().is_some_and(|found| (user.hold, user.hold_until) != (found.hold, found.hold_until)) {
                return Err(Failure::Busy("the account began meanwhile".into()));
            }
            Ok(Action::Change(&change, change.period_end(user, call.now)))
        };
        accounts::act(call, &actor, &name, choose).await?
    } else {
        accounts::describe(call, &actor, &name, &change).await?
    };
    Ok(Response::from_json(&UserJson::new(changed, &request, call)?)?)
}

/// `POST /api/v1/users/{name}/{reset,enable,disable,revoke}`
pub(crate) async fn do_to(request: &Request, call: &Call, name: &str, action: UserAction) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
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
    let actor = authorize_for_users(request, call, "users:write").await?;
    accounts::delete(call, &actor, &segment(name)?).await?;
    Ok(Response::empty()?.with_status(204))
}
