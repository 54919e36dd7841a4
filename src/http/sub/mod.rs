//! Subscriptions, `/sub/...`: the token is the credential, and a forged one costs no query.

mod headers;

use weir_wire::Second;
use weir_wire::credential::SlotSecret;
use worker::{Method, Request, Response, console_error};

use super::address;
use super::call::Call;
use super::failure::Failure;
use super::fetch_log::note;
use super::settings;
use crate::domain::endpoint::{Endpoint, NodeWays, of_nodes};
use crate::domain::format::{About, Extra, Format, Rules, Ways};
use crate::domain::subscription;
use crate::domain::token::Subscription;
use crate::domain::user::{allowance, gate};
use crate::store::fetch_log::{self, Opened};
use crate::store::users::User;

/// `GET /sub/{token}` and `GET /sub/{token}/{format}`, also HEAD
///
/// Rows read: 4 (user, usage, state, the hour's log); none for a forged token or an unknown format. Rows written: 1 for
/// the first fetch of a (user, hour, client family).
pub(crate) async fn fetch(
    request: &Request,
    call: &Call,
    token: &str,
    format: Option<&str>,
) -> Result<Response, Failure> {
    let claim = Subscription::read(token, &call.secret("AUTH_KEY")?).ok_or(Failure::NotFound("subscription"))?;
    let named = named(request, format)?;
    let opened: Option<Opened> = call.db.first(fetch_log::open(i64::from(claim.user), call.now)).await?;
    let Opened { user, endpoints, clients, logged } = opened.ok_or(Failure::NotFound("subscription"))?;
    if user.generation != claim.generation {
        return Err(Failure::NotFound("subscription"));
    }
    let (suited, extra) = suited(request, clients.as_deref())?;
    let format = named.unwrap_or(suited);
    let mut standing = user.standing();
    // The period has ended, and the job that begins the next one has not come by yet.
    if user.period_end <= call.now.get() {
        standing.month = weir_wire::Bytes::ZERO;
    }
    let reason = subscription::reason(gate(&standing, call.now), Second::clamped(user.period_end), user.cycle.zone);
    let endpoints = ways_in(call, &user, &endpoints)?;
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
    let headers = headers::of_list(&profile, &page, &user, &subscription::userinfo(&standing), reason.as_deref())?;
    headers.set("content-type", format.content_type())?;
    if !rendered.left_out.is_empty() {
        headers.set("weir-left-out", &rendered.left_out.len().to_string())?;
    }
    for (name, value) in extra.iter() {
        headers.set(name, value)?;
    }
    note(request, call, user.id, format.name(), logged.as_deref()).await?;
    let body = rendered.body;
    headers.set("content-length", &body.len().to_string())?;
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(body)? };
    Ok(response.with_headers(headers))
}

/// The format that the path or the query names.
fn named(request: &Request, in_path: Option<&str>) -> Result<Option<Format>, Failure> {
    let query = address::parameter(request, "format");
    let Some(name) = in_path.or(query.as_deref()) else { return Ok(None) };
    let found = Format::named(name);
    found.map(Some).ok_or_else(|| Failure::invalid("format", format!("one of {}", Format::names())))
}

/// What the rules give to the client: a format, and headers of its own. `own` are the operator's rules.
fn suited(request: &Request, own: Option<&str>) -> Result<(Format, Extra), Failure> {
    let own = own.and_then(|text| {
        // Rules of another release must not end everybody's subscriptions: the shipped ones serve meanwhile.
        Rules::read(text).inspect_err(|error| console_error!("client rules cannot be read: {error}")).ok()
    });
    let shipped = || Rules::built_in().map_err(|error| Failure::Broken(format!("the built-in client rules: {error}")));
    let rules = own.map_or_else(shipped, Ok)?;
    let found = rules.find(|name| request.headers().get(name).ok().flatten());
    Ok(found.map_or((Format::Base64, Extra::default()), |(_, rule)| (rule.format, rule.headers.clone())))
}

/// The user's ways in.
fn ways_in(call: &Call, user: &User, endpoints: &str) -> Result<Vec<Endpoint>, Failure> {
    let nodes: Vec<NodeWays> =
        serde_json::from_str(endpoints).map_err(|error| Failure::Broken(format!("endpoints: {error}")))?;
    let secret = SlotSecret::derive(&call.secret("SLOT_KEY")?, &user.slot);
    Ok(of_nodes(&nodes, &user.slot, &secret))
}

/// The subscription's own page: its URL without format and query.
fn page(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    // scheme, empty, host, "sub", token
    plain.split('/').take(5).collect::<Vec<_>>().join("/")
}
