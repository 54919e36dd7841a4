//! One user.

use serde_json::{Map, Value, json};
use worker::{Request, Response};

use super::fields::Fields;
use super::user_body::Said;
use super::user_change::{Change, NewUser};
use super::user_deeds;
use super::user_json::{Scene, UserResponse, choice_of};
use super::user_ways;
use crate::domain::audit::Actor;
use crate::domain::credentials::by_hand;
use crate::domain::marzban::choice::Choice;
use crate::domain::marzban::username;
use crate::domain::name::UserName;
use crate::domain::percent;
use crate::http::accounts::{self, Together};
use crate::http::address;
use crate::http::auth::authorize_for_users;
use crate::http::body;
use crate::http::by_hand;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::http::ways;
use crate::route::MarzbanUser;
use crate::store::marzban_users::{self as store, Endpoints, Found, Seen};
use crate::store::users::User;

/// Answers what is asked of one user.
pub(super) async fn answer(request: Request, call: &Call, route: MarzbanUser<'_>) -> Result<Response, Failure> {
    match route {
        MarzbanUser::Create => create(request, call).await,
        MarzbanUser::Get(name) => get(&request, call, name).await,
        MarzbanUser::Change(name) => change(request, call, name).await,
        MarzbanUser::Delete(name) => delete(&request, call, name).await,
        MarzbanUser::Reset(name) => user_deeds::reset(&request, call, name).await,
        MarzbanUser::Revoke(name) => user_deeds::revoke(&request, call, name).await,
        MarzbanUser::Usage(name) => user_deeds::usage(&request, call, name).await,
        MarzbanUser::ActiveNext(name) => user_deeds::begin_next(&request, call, name).await,
        MarzbanUser::SetOwner(name) => user_deeds::set_owner(&request, call, name).await,
    }
}

/// Who calls, and the user of a name in a path. Rows read: 5, and those of [`authorize_for_users`].
pub(super) async fn opened(
    request: &Request,
    call: &Call,
    name: &str,
    action: &'static str,
) -> Result<(Actor, Found), Failure> {
    let actor = authorize_for_users(request, call, action).await?;
    let name = percent::decode(name).ok_or(Failure::NotFound("user"))?;
    let found = found(call, &name).await?;
    // To Marzban's clients another's user is not hidden.
    if actor.only.is_some() && found.seen.user.owner != actor.only {
        return Err(Failure::Forbidden("users"));
    }
    Ok((actor, found))
}

pub(super) async fn found(call: &Call, name: &str) -> Result<Found, Failure> {
    let found: Option<Found> = call.db.first(store::by_name(name, call.now)).await?;
    found.ok_or(Failure::NotFound("user"))
}

/// A user as he is now, whom something was done to.
pub(super) async fn shown(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Found { seen, endpoints } = found(call, name).await?;
    let scene = Scene::new(address::origin(request), &endpoints)?;
    told(seen, &scene, call)
}

fn told(seen: Seen, scene: &Scene, call: &Call) -> Result<Response, Failure> {
    Ok(Response::from_json(&UserResponse::new(seen, scene, call)?)?)
}

/// `POST /api/user`
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let body: Map<String, Value> = body::json(&mut request).await?;
    let name = username(Fields(&body))?;
    let said = Said::read(Fields(&body), true)?;
    let endpoints: Option<Endpoints> = call.db.first(store::endpoints()).await?;
    let endpoints = endpoints.map_or_else(|| "[]".to_owned(), |found| found.endpoints);
    let scene = Scene::new(address::origin(&request), &endpoints)?;
    let Some(proxies) = said.proxies.as_ref().filter(|proxies| !proxies.is_empty()) else {
        return Err(Failure::invalid("proxies", "Value error, Each user needs at least one proxy"));
    };
    let choice = user_ways::chosen(&said, Choice::default(), &scene)?;
    let credentials = user_ways::said(proxies, &choice, &scene)?;
    let new = NewUser::new(name.clone(), said, choice, settings::zone(&call.env), call.now);
    let period = new.cycle().first(call.now);
    let by_hand = Some(&credentials).filter(|said| !said.is_empty());
    match accounts::create(call, &actor, &new, name.as_str(), by_hand, period).await {
        Ok(user) => shown(&request, call, &user.name).await,
        // Of a name, or of credentials that another user has.
        Err(taken @ Failure::Conflict { code: "taken", .. }) => {
            let same: Option<Found> = call.db.first(store::by_name(name.as_str(), call.now)).await?;
            Err(same.map_or(taken, |_| exists()))
        }
        Err(failure) => Err(failure),
    }
}

fn exists() -> Failure {
    Failure::Conflict { code: "taken", message: "User already exists".into() }
}

fn username(fields: Fields<'_>) -> Result<UserName, Failure> {
    let name = fields.text("username")?.ok_or_else(|| Failure::invalid("username", "Field required"))?;
    if !username::is_username(name) {
        return Err(Failure::invalid("username", username::RULE));
    }
    UserName::try_from(name.to_owned()).map_err(|rule| Failure::invalid("username", rule.0))
}

/// `GET /api/user/{username}`
///
/// Rows read: 6, and 1 of his owner.
async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    // The answer has all that lets him in.
    let (_, Found { seen, endpoints }) = opened(request, call, name, "users:links").await?;
    told(seen, &Scene::new(address::origin(request), &endpoints)?, call)
}

/// `PUT /api/user/{username}`
///
/// What the body lacks stays, and so does what it has as it was read.
async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, Found { seen, endpoints }) = opened(&request, call, name, "users:write").await?;
    let body: Map<String, Value> = body::json(&mut request).await?;
    let said = Said::read(Fields(&body), false)?;
    let scene = Scene::new(address::origin(&request), &endpoints)?;
    let choose = async |user: &User| {
        let shown = choice_of(user, &scene);
        let choice = user_ways::chosen(&said, shown.clone(), &scene)?;
        let slot = match renewed(call, user, &said, &choice, &scene)? {
            Some(credentials) => by_hand::slot(call, "proxies", &credentials, Some(&user.slot)).await?,
            None => None,
        };
        let change = Change::new(&said, Some(choice).filter(|choice| *choice != shown), user, call.now);
        let period_end = change.period_end(user, call.now);
        Ok(Together { change, period_end, slot, resets: false })
    };
    let Together { change, slot, .. } = choose(&seen.user).await?;
    if change.is_empty() && slot.is_none() {
        return told(seen, &scene, call);
    }
    let user = accounts::change_together(call, &actor, &seen.user.name, choose).await?;
    shown(&request, call, &user.name).await
}

/// The credentials that a user is to have set by hand, if what is said is not what he has.
fn renewed(
    call: &Call,
    user: &User,
    said: &Said,
    choice: &Choice,
    scene: &Scene,
) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(proxies) = &said.proxies else { return Ok(None) };
    let credentials = user_ways::said(proxies, choice, scene)?;
    if credentials.is_empty() {
        return Ok(None);
    }
    let key = user.credentials.as_ref().map(|_| call.secret("CREDENTIAL_KEY")).transpose()?;
    let set = by_hand(key.as_deref(), &user.slot, user.credentials.as_deref());
    Ok(user_ways::renewed(&credentials, &ways::credentials(call, user)?, set.as_ref(), scene, choice))
}

/// `DELETE /api/user/{username}`
async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let (actor, found) = opened(request, call, name, "users:write").await?;
    accounts::delete(call, &actor, &found.seen.user.name).await?;
    Ok(Response::from_json(&json!({ "detail": "User successfully deleted" }))?)
}
