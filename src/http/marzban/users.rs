//! Many users.

use serde_json::json;
use worker::{Request, Response};

use super::node_usage::by_node;
use super::query::{count, span};
use super::user_json::{Scene, UserResponse};
use crate::domain::audit::Actor;
use crate::domain::user::Status;
use crate::http::accounts;
use crate::http::address::{self, parameter, parameters};
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::bulk;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::MarzbanUsers;
use crate::store::bulk::Selection;
use crate::store::marzban_list::{self as store, Expired, Key, Sort};
use crate::store::marzban_usage::Of;
use crate::store::marzban_users::{self, Endpoints, Seen};
use crate::store::user_list::{Query, Total};
use crate::store::users::User;

/// Answers what is asked of many users.
pub(super) async fn answer(request: &Request, call: &Call, route: MarzbanUsers) -> Result<Response, Failure> {
    match route {
        MarzbanUsers::List => list(request, call).await,
        MarzbanUsers::ResetAll => reset_all(request, call).await,
        MarzbanUsers::Usage => usage(request, call).await,
        MarzbanUsers::Expired => expired(request, call).await,
        MarzbanUsers::DeleteExpired => delete_expired(request, call).await,
    }
}

/// `GET /api/users`
///
/// Query: `offset`, `limit` (all without one), `username` (may be repeated), `search`, `admin` (may be repeated; of a reseller ignored),
/// `status`, `sort`. Rows read: 2, and those of [`store::list`] and [`store::count`].
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    // The answer has all that lets them in.
    let actor = authorize_for_users(request, call, "users:links").await?;
    let query = query(request, &actor)?;
    let batch = [store::list(&query, call.now), store::count(&query, call.now), marzban_users::endpoints()];
    let outcomes = call.db.batch(&batch).await?;
    let [page, count, state] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let total = count.rows::<Total>()?.first().map_or(0, |count| count.total);
    let endpoints = state.rows::<Endpoints>()?.pop().map_or_else(|| "[]".to_owned(), |state| state.endpoints);
    let scene = Scene::new(address::origin(request), &endpoints)?;
    let users = page.rows::<Seen>()?.into_iter().map(|seen| UserResponse::new(seen, &scene, call));
    let users = users.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Response::from_json(&json!({ "users": users, "total": total }))?)
}

fn query(request: &Request, actor: &Actor) -> Result<store::Query, Failure> {
    let status = parameter(request, "status").filter(|status| !status.is_empty());
    let known = |name: String| {
        let rule = "Input should be 'active', 'disabled', 'limited', 'expired' or 'on_hold'";
        Status::named(&name).ok_or_else(|| Failure::invalid("status", rule))
    };
    Ok(store::Query {
        offset: count(request, "offset")?.unwrap_or(0),
        limit: count(request, "limit")?.filter(|limit| *limit > 0),
        names: said(request, "username"),
        search: parameter(request, "search").unwrap_or_default(),
        admins: if actor.only.is_some() { Vec::new() } else { said(request, "admin") },
        status: status.map(known).transpose()?,
        sort: sort(request)?,
        only: actor.only,
    })
}

fn said(request: &Request, name: &str) -> Vec<String> {
    parameters(request, name).into_iter().filter(|text| !text.is_empty()).collect()
}

fn sort(request: &Request) -> Result<Vec<Sort>, Failure> {
    let text = parameter(request, "sort").unwrap_or_default();
    let keys = text.split(',').filter(|key| !key.is_empty()).map(|text| {
        let (down, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let key = Key::named(name);
        let key = key.ok_or_else(|| Failure::Refused(format!("\"{text}\" is not a valid sort option")))?;
        Ok(Sort { key, down })
    });
    keys.collect()
}

/// `POST /api/users/reset`
///
/// Begins a new period for every user: of the first ones at once, and a job goes on with the others.
async fn reset_all(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let all = Query::default();
    bulk::start(call, &actor, "reset", async || Ok((Selection::Filter(all.clone()), json!({ "all": true })))).await?;
    Ok(Response::from_json(&json!({ "detail": "Users successfully reset." }))?)
}

/// `GET /api/users/usage`
///
/// Query: `start`, `end`, `admin` (may be repeated; of a reseller ignored).
async fn usage(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let admins = said(request, "admin");
    let of = match actor.only {
        Some(owner) => Of::Owner(owner),
        None if admins.is_empty() => Of::All,
        None => Of::Admins(&admins),
    };
    Ok(Response::from_json(&json!({ "usages": by_node(request, call, of).await? }))?)
}

fn ended(request: &Request, call: &Call, actor: &Actor) -> Result<Expired, Failure> {
    let (after, before) = span(request, call, ["expired_after", "expired_before"])?;
    Ok(Expired { after, before, only: actor.only })
}

/// `GET /api/users/expired`
///
/// Names of those whose account ended between `expired_after` and `expired_before`: in the last 30 days, unless told.
async fn expired(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let users: Vec<User> = call.db.all(store::expired(ended(request, call, &actor)?, call.now)).await?;
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    Ok(Response::from_json(&names)?)
}

/// `DELETE /api/users/expired`
///
/// Deletes the same.
async fn delete_expired(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
    let query = ended(request, call, &actor)?;
    let choose = async || Ok(call.db.all(store::expired(query, call.now)).await?);
    let names = accounts::delete_many(call, &actor, choose).await?;
    if names.is_empty() {
        return Err(Failure::NotFound("No expired users found in the specified date range"));
    }
    Ok(Response::from_json(&names)?)
}
