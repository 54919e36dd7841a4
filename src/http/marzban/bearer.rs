//! Who calls by a token that Marzban's clients carry.

use worker::Request;

use super::secret;
use crate::domain::audit::{Actor, ActorKind};
use crate::domain::jwt::{self, Access};
use crate::http::auth;
use crate::http::call::{Call, bearer};
use crate::http::failure::Failure;

/// Lets a call pass whose credential reaches `scope`, or whose token an imported Marzban gave to one of its sudo admins. A plain
/// admin of a Marzban sees there only what is his, so he is not let in where the figures of all are.
///
/// Rows read: those of [`auth::authorize`], and 1 more for a token that is none of this panel's.
pub(in crate::http) async fn authorize(request: &Request, call: &Call, scope: &'static str) -> Result<Actor, Failure> {
    let authorized = auth::authorize(request, call, scope).await;
    let Some(token) = bearer(request)?.filter(|bearer| jwt::is_token(bearer)) else { return authorized };
    if !matches!(authorized, Err(Failure::Unauthorized)) {
        return authorized;
    }
    let key = secret::key(call).await?.ok_or(Failure::Unauthorized)?;
    let claims = jwt::verified(&key, &token, call.now).ok_or(Failure::Unauthorized)?;
    match claims.access {
        Access::Sudo => auth::actor(request, ActorKind::Marzban, claims.sub),
        Access::Admin => Err(Failure::Forbidden(scope)),
    }
}
