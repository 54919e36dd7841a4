//! Users of the simple API.

use serde_json::json;
use worker::{Request, Response};

use super::user_json::{NewUser, UserChange, UserJson};
use super::{admit, success};
use crate::domain::percent;
use crate::domain::period::Cycle;
use crate::http::accounts::{self, Together};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::http::ways::credentials;
use crate::store::users::{Action, User};

fn plain(name: &str) -> Result<String, Failure> {
    percent::decode(name).ok_or(Failure::NotFound("user"))
}

/// `GET /api/user/{name}`
pub(crate) async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    // The answer has his password.
    let actor = admit(request, call, "users:links").await?;
    let user = accounts::find(call, &actor, &plain(name)?).await?;
    let password = credentials(call, &user)?.trojan_password();
    Ok(Response::from_json(&UserJson::new(user, password, call.now))?)
}

/// `POST /api/add_user`
///
/// The password is that of the user's slot.
pub(crate) async fn add(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = admit(&request, call, "users:write").await?;
    let mut new: NewUser = body::json(&mut request).await?;
    let period = new.settle(settings::zone(&call.env)).first(call.now);
    let user = accounts::create(call, &actor, &new, new.username.as_str(), None, period).await?;
    let password = credentials(call, &user)?.trojan_password();
    Ok(Response::from_json(&json!({ "success": true, "password": password }))?)
}

/// `PUT /api/user/{name}`
///
/// Fields that the body lacks stay.
pub(crate) async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = admit(&request, call, "users:write").await?;
    let change: UserChange = body::json(&mut request).await?;
    let name = plain(name)?;
    let choose = async |user: &User| {
        let present = credentials(call, user)?.trojan_password();
        if change.password.as_ref().is_some_and(|password| *password != present) {
            return Err(Failure::invalid("password", "the present one: it is derived from the user's slot"));
        }
        let day = change.reset_day.filter(|day| *day != user.cycle.day);
        let end = day.map(|day| user.moved_end(Cycle { day, ..user.cycle }, call.now));
        Ok(Together { change: change.but_quotas_of(user), period_end: end, slot: None, resets: false })
    };
    let user = accounts::change_together(call, &actor, &name, choose).await?;
    match change.shuts() {
        Some(true) => drop(accounts::act(call, &actor, &user.name, |_| Ok(Action::<()>::Disable)).await?),
        Some(false) => drop(accounts::act(call, &actor, &user.name, |_| Ok(Action::<()>::Enable)).await?),
        None => {}
    }
    success()
}

/// `DELETE /api/user/{name}`
pub(crate) async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = admit(request, call, "users:write").await?;
    accounts::delete(call, &actor, &plain(name)?).await?;
    success()
}

/// `POST /api/reset_traffic/{name}`
///
/// Begins a new period now; the lifetime total stays.
pub(crate) async fn reset(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = admit(request, call, "users:write").await?;
    accounts::act(call, &actor, &plain(name)?, |_| Ok(Action::<()>::Reset)).await?;
    success()
}
