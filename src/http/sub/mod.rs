//! Subscriptions, `/sub/...`: the token is the credential, and a forged one costs no query.

use weir_wire::Second;
use worker::{Headers, Method, Request, Response};

use super::address;
use super::call::Call;
use super::failure::Failure;
use super::fetch_log::note;
use super::settings;
use super::ways;
use crate::domain::format::{About, Format, Rules, Ways};
use crate::domain::subscription;
use crate::domain::token::Subscription;
use crate::domain::user::{allowance, gate};
use crate::store::fetch_log::{self, Opened};
use crate::store::users::User;

/// `GET /sub/{token}` and `GET /sub/{token}/{format}`, also HEAD
///
/// Rows read: 4 (user, usage, endpoints, the hour's log); none for a forged token or an unknown format. Rows written: 1 for
/// the first fetch of a (user, hour, client family).
pub(crate) async fn fetch(
    request: &Request,
    call: &Call,
    token: &str,
    format: Option<&str>,
) -> Result<Response, Failure> {
    let claim = Subscription::read(token, &call.secret("AUTH_KEY")?).ok_or(Failure::NotFound("subscription"))?;
    let format = wanted(request, format)?;
    let opened: Option<Opened> = call.db.first(fetch_log::open(i64::from(claim.user), call.now)).await?;
    let Opened { user, endpoints, logged } = opened.ok_or(Failure::NotFound("subscription"))?;
    if user.generation != claim.generation {
        return Err(Failure::NotFound("subscription"));
    }
    let mut standing = user.standing();
    // The period has ended, and the job that begins the next one has not come by yet.
    if user.period_end <= call.now.get() {
        standing.month = weir_wire::Bytes::ZERO;
    }
    let reason = subscription::reason(gate(&standing, call.now), Second::clamped(user.period_end), user.cycle.zone);
    let endpoints = ways::own(call, &user, &standing, endpoints.as_deref().unwrap_or("[]"))?;
    let ways = reason.as_deref().map_or(Ways::Open(&endpoints), Ways::Barred);
    let profile = settings::profile(&call.env);
    let page = page(&request.inner().url());
    let allowance = allowance(&standing);
    let about = About {
        url: &page,
        update_hours: profile.update_hours,
        used: allowance.used.get(),
        quota: allowance.quota.get(),
    };
    let rendered = format.render(ways, about);
    let headers = headers(&profile, &page, &user, &subscription::userinfo(&standing), reason.as_deref())?;
    headers.set("content-type", format.content_type())?;
    if !rendered.left_out.is_empty() {
        headers.set("weir-left-out", &rendered.left_out.len().to_string())?;
    }
    note(request, call, user.id, format.name(), logged.as_deref()).await?;
    let body = rendered.body;
    headers.set("content-length", &body.len().to_string())?;
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(body)? };
    Ok(response.with_headers(headers))
}

/// The format that the path or the query names, else the one that suits the client.
fn wanted(request: &Request, named: Option<&str>) -> Result<Format, Failure> {
    let query = address::parameter(request, "format");
    if let Some(name) = named.or(query.as_deref()) {
        return Format::named(name).ok_or_else(|| Failure::invalid("format", format!("one of {}", Format::names())));
    }
    let rules = Rules::built_in().map_err(|error| Failure::Broken(format!("the built-in client rules: {error}")))?;
    Ok(rules.format(|name| request.headers().get(name).ok().flatten()))
}

/// The headers that clients read; each value is ASCII.
fn headers(
    profile: &settings::Profile,
    page: &str,
    user: &User,
    userinfo: &str,
    announce: Option<&str>,
) -> Result<Headers, Failure> {
    let headers = Headers::new();
    headers.set("content-disposition", &subscription::disposition(&profile.title))?;
    headers.set("profile-title", &subscription::title(&profile.title))?;
    headers.set("profile-update-interval", &profile.update_hours.to_string())?;
    headers.set("subscription-userinfo", userinfo)?;
    if !user.monthly_quota.is_zero() && user.period_end < Second::LAST.get() {
        headers.set("subscription-refill-date", &user.period_end.to_string())?;
    }
    headers.set("profile-web-page-url", page)?;
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
