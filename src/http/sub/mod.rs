//! Subscriptions, `/sub/...`: the token is the credential, and a forged one costs no query.

use weir_wire::Second;
use weir_wire::credential::SlotSecret;
use worker::{Headers, Method, Request, Response};

use super::call::Call;
use super::failure::Failure;
use super::settings;
use crate::domain::link::{self, Endpoint, Link};
use crate::domain::subscription::{self, Format};
use crate::domain::token::Subscription;
use crate::domain::user::gate;
use crate::store::endpoints;
use crate::store::users::{self, User};

/// `GET /sub/{token}` and `GET /sub/{token}/{format}`, also HEAD
///
/// Rows read: 3 (user, usage, endpoints); none for a forged token or an unknown format.
pub(crate) async fn fetch(
    request: &Request,
    call: &Call,
    token: &str,
    format: Option<&str>,
) -> Result<Response, Failure> {
    let claim = Subscription::read(token, &call.secret("AUTH_KEY")?).ok_or(Failure::NotFound("subscription"))?;
    let format = Format::named(format).ok_or_else(|| Failure::invalid("format", "links or base64"))?;
    let outcomes = call.db.batch(&[users::by_id(i64::from(claim.user)), endpoints::all()]).await?;
    let [found, ways] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let user: User = found.rows()?.pop().ok_or(Failure::NotFound("subscription"))?;
    if user.generation != claim.generation {
        return Err(Failure::NotFound("subscription"));
    }
    let mut standing = user.standing();
    // The period has ended, and the job that begins the next one has not come by yet.
    if user.period_end <= call.now.get() {
        standing.month = weir_wire::Bytes::ZERO;
    }
    let reason = subscription::reason(gate(&standing, call.now), Second::clamped(user.period_end), user.cycle.zone);
    let links = match &reason {
        Some(reason) => vec![link::notice(reason)],
        None => ways_in(call, &user, ways.rows()?.pop())?,
    };
    let body = format.body(&links);
    let headers = headers(request, call, &user, &subscription::userinfo(&standing), reason.as_deref())?;
    headers.set("content-length", &body.len().to_string())?;
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(body)? };
    Ok(response.with_headers(headers))
}

/// The user's links, or the one entry that says that there are none: an empty list is an error to many clients.
fn ways_in(call: &Call, user: &User, row: Option<endpoints::Row>) -> Result<Vec<Link>, Failure> {
    let text = row.map_or_else(|| "[]".to_owned(), |row| row.endpoints);
    let endpoints: Vec<Endpoint> =
        serde_json::from_str(&text).map_err(|error| Failure::Broken(format!("endpoints: {error}")))?;
    let secret = SlotSecret::derive(&call.secret("SLOT_KEY")?, &user.slot);
    let links = link::links(&endpoints, &user.slot, &secret);
    Ok(if links.is_empty() { vec![link::notice("No server is connected yet")] } else { links })
}

/// The headers that clients read; each value is ASCII.
fn headers(
    request: &Request,
    call: &Call,
    user: &User,
    userinfo: &str,
    announce: Option<&str>,
) -> Result<Headers, Failure> {
    let profile = settings::profile(&call.env);
    let headers = Headers::new();
    headers.set("content-type", "text/plain; charset=utf-8")?;
    headers.set("content-disposition", &subscription::disposition(&profile.title))?;
    headers.set("profile-title", &subscription::title(&profile.title))?;
    headers.set("profile-update-interval", &profile.update_hours.to_string())?;
    headers.set("subscription-userinfo", userinfo)?;
    if !user.monthly_quota.is_zero() && user.period_end < Second::LAST.get() {
        headers.set("subscription-refill-date", &user.period_end.to_string())?;
    }
    headers.set("profile-web-page-url", &page(&request.inner().url()))?;
    if let Some(url) = &profile.support_url {
        headers.set("support-url", url)?;
    }
    if let Some(text) = announce {
        headers.set("announce", &subscription::header_text(text))?;
    }
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    headers.set("vary", "User-Agent, Accept")?;
    Ok(headers)
}

/// The subscription's own page: its URL without format and query.
fn page(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    // scheme, empty, host, "sub", token
    plain.split('/').take(5).collect::<Vec<_>>().join("/")
}
