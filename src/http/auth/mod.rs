//! Who calls: an operator's browser by its session, or a script by an API key with scopes.

mod cookie;
mod passkey;
mod sign_in;

pub(crate) use cookie::keep;
pub(crate) use passkey::{Assertion, by_passkey};
pub(crate) use sign_in::{Attempted, Entered, bucket_of, count, sign_in, sign_out};

use worker::{Method, Request};

use super::address;
use super::call::{Call, bearer, sha256_hex};
use super::failure::Failure;
use crate::domain::audit::{Actor, ActorKind};
use crate::domain::jwt;
use crate::domain::role::{Reach, Role, scope};
use crate::store::api_keys::{self, ApiKey};
use crate::store::sessions;

/// The header in which the platform says where a request comes from. What a caller writes there never arrives.
const ADDRESS: &str = "cf-connecting-ip";

/// A browser that is signed in.
pub(crate) struct Session {
    /// The operator's number.
    pub(crate) operator: i64,
    /// His name.
    pub(crate) name: String,
    /// What he is.
    pub(crate) role: Role,
    /// What the database knows the session by.
    pub(crate) hash: String,
}

impl Session {
    /// Whether the operator reaches `action` everywhere.
    pub(crate) fn may(&self, action: &'static str) -> bool {
        self.role.reach(action) == Reach::All
    }

    /// Refuses whoever does not. A page that shows more than a reseller's own users must ask this.
    pub(crate) fn ask(&self, action: &'static str) -> Result<(), Failure> {
        if self.may(action) { Ok(()) } else { Err(Failure::Role { role: self.role, action }) }
    }

    /// The operator as one who does something with users: with everybody's, or with his own alone ([`Actor::only`]).
    pub(crate) fn reaching(&self, request: &Request, action: &'static str) -> Result<Actor, Failure> {
        let only = match self.role.reach(action) {
            Reach::All => None,
            Reach::Own => Some(self.operator),
            Reach::None => return Err(Failure::Role { role: self.role, action }),
        };
        Ok(Actor { only, ..self.actor(request)? })
    }

    /// The operator, for the audit log.
    pub(crate) fn actor(&self, request: &Request) -> Result<Actor, Failure> {
        Ok(Actor { role: Some(self.role), ..actor(request, ActorKind::Operator, self.name.clone())? })
    }
}

/// Lets the call pass if its credential reaches `action` everywhere: an API key as bearer, otherwise a session. Returns who calls.
///
/// A bearer beats a session, valid or not. A session's unsafe methods need our own `Origin`, because a browser sends the
/// cookie whoever wrote the page. Rows read: 1 with a key, 2 with a session, none without either; once an hour 1 is written of a key.
pub(crate) async fn authorize(request: &Request, call: &Call, action: &'static str) -> Result<Actor, Failure> {
    let actor = authorize_for_users(request, call, action).await?;
    // Whoever does not ask whose user it is must not let a reseller in.
    match (actor.role, actor.only) {
        (Some(role), Some(_)) => Err(Failure::Role { role, action }),
        _ => Ok(actor),
    }
}

/// The same for what is done with users: a reseller passes too, and is told apart by [`Actor::only`]. The caller must keep to his users.
pub(crate) async fn authorize_for_users(
    request: &Request,
    call: &Call,
    action: &'static str,
) -> Result<Actor, Failure> {
    if let Some(key) = bearer(request)? {
        if jwt::is_token(&key) {
            return by_token(request, call, &key, action).await;
        }
        let hash = sha256_hex(&key);
        let found: Option<ApiKey> = call.db.first(api_keys::find(&hash)).await?;
        let key = found.filter(|key| key.expires_at.is_none_or(|expires| expires > call.now.get()));
        let key = key.ok_or(Failure::Unauthorized)?;
        let keyed = actor(request, ActorKind::ApiKey, key.name)?;
        let keyed = Actor { scopes: Some(key.scopes), ..keyed };
        if !keyed.reaches(action) {
            return Err(Failure::Forbidden(scope(action)));
        }
        if key.last_used_at.is_none_or(|at| at.saturating_add(api_keys::USED_EVERY) <= call.now.get()) {
            call.db.run(api_keys::used(&hash, call.now)).await?;
        }
        return Ok(keyed);
    }
    in_our_page(request, call).await?.reaching(request, action)
}

/// A session in the form of a token, which no browser sends by itself: so it needs no `Origin`. Rows read: 2.
async fn by_token(request: &Request, call: &Call, token: &str, action: &'static str) -> Result<Actor, Failure> {
    let claims =
        jwt::verified(&jwt::own_key(&call.secret("AUTH_KEY")?), token, call.now).ok_or(Failure::Unauthorized)?;
    let session = lasting(call, &claims.jti.unwrap_or_default()).await?.ok_or(Failure::Unauthorized)?;
    session.reaching(request, action)
}

/// The session of a call about the caller's own sign-in, which an API key has none of.
pub(crate) async fn own(request: &Request, call: &Call) -> Result<Session, Failure> {
    if bearer(request)?.is_some() {
        return Err(Failure::Keyed);
    }
    in_our_page(request, call).await
}

/// The session, if one of our pages may have sent this.
async fn in_our_page(request: &Request, call: &Call) -> Result<Session, Failure> {
    let session = session(request, call).await?.ok_or(Failure::Unauthorized)?;
    let safe = matches!(request.method(), Method::Get | Method::Head);
    if safe || is_own_origin(request)? { Ok(session) } else { Err(Failure::Foreign) }
}

/// Who sends this request, for the audit log. The address is the one that the platform saw.
pub(crate) fn actor(request: &Request, kind: ActorKind, name: String) -> Result<Actor, Failure> {
    Ok(Actor { kind, name, address: address_of(request)?, role: None, scopes: None, only: None })
}

/// The address that the platform saw.
fn address_of(request: &Request) -> Result<Option<String>, Failure> {
    Ok(request.headers().get(ADDRESS)?)
}

/// Whether a request comes with the cookie of a session, be it a good one or not. Rows read: 0.
pub(crate) fn has_session(request: &Request) -> bool {
    matches!(cookie::read(request), Ok(Some(_)))
}

/// The session that the request's cookie names, if it still lasts and its operator is not disabled. Rows read: 2, none without a cookie.
pub(crate) async fn session(request: &Request, call: &Call) -> Result<Option<Session>, Failure> {
    let Some(token) = cookie::read(request)? else { return Ok(None) };
    lasting(call, &token).await
}

/// The session of a token, if it lasts. Rows read: 2.
async fn lasting(call: &Call, token: &str) -> Result<Option<Session>, Failure> {
    let hash = sha256_hex(token);
    let found: Option<sessions::Session> = call.db.first(sessions::find(&hash)).await?;
    let lasting = found.filter(|session| session.expires_at > call.now.get());
    Ok(lasting.map(|found| Session { operator: found.operator, name: found.name, role: found.role, hash }))
}

/// Whether the page that sent this request is one of ours.
pub(crate) fn is_own_origin(request: &Request) -> Result<bool, Failure> {
    let own = address::origin(request);
    Ok(request.headers().get("origin")?.is_some_and(|origin| origin == own))
}
