//! What is done to one user beside changing him, and what he used.

use serde_json::json;
use worker::{Request, Response};

use super::node_usage::of_user;
use super::user::{found, opened, shown};
use super::user_change::Change;
use crate::http::accounts::{self, Together};
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::users::{Action, User};

/// `POST /api/user/{username}/reset`
///
/// Begins a new period now, and drops what is queued. Lifetime and history stay, and whom a person shut out stays so.
pub(super) async fn reset(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, found) = opened(request, call, name, "users:write").await?;
    let choose = async |user: &User| {
        let change = Change::dropping_next(user);
        Ok(Together { change, period_end: None, slot: None, resets: true })
    };
    let user = accounts::change_together(call, &actor, &found.seen.user.name, choose).await?;
    shown(request, call, &user.name).await
}

/// `POST /api/user/{username}/revoke_sub`
///
/// His links end, and all his credentials are new and derived.
pub(super) async fn revoke(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, found) = opened(request, call, name, "users:write").await?;
    let user = accounts::act(call, &actor, &found.seen.user.name, |_| Ok(Action::<()>::Revoke)).await?;
    shown(request, call, &user.name).await
}

/// `GET /api/user/{username}/usage`
///
/// Query: `start`, `end`. Rows read: those of [`opened`] and [`of_user`].
pub(super) async fn usage(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (_, found) = opened(request, call, name, "users:read").await?;
    let user = found.seen.user;
    let usages = of_user(request, call, user.id).await?;
    Ok(Response::from_json(&json!({ "username": user.name, "usages": usages }))?)
}

/// `POST /api/user/{username}/active-next`
pub(super) async fn begin_next(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, opened) = opened(request, call, name, "users:write").await?;
    let name = opened.seen.user.name;
    accounts::begin_next(call, &actor, &name).await?;
    if found(call, &name).await?.seen.user.next_plan.is_some() {
        return Err(Failure::Busy("a report came in between".into()));
    }
    shown(request, call, &name).await
}

/// `PUT /api/user/{username}/set-owner`
///
/// Query: `admin_username`.
pub(super) async fn set_owner(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, found) = opened(request, call, name, "users:own").await?;
    let admin = parameter(request, "admin_username").filter(|admin| !admin.is_empty());
    let admin = admin.ok_or_else(|| Failure::invalid("admin_username", "Field required"))?;
    let name = found.seen.user.name;
    accounts::hand_over(call, &actor, &name, Some(&admin)).await?;
    shown(request, call, &name).await
}
