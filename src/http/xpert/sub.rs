//! Lists of links: a user's own nodes, those of the sources, and direct configs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir_wire::Second;
use worker::{Headers, Method, Request, Response};

use super::who::{UNKNOWN, Who};
use super::{parameter, settings};
use crate::domain::endpoint::notice;
use crate::domain::presentation::Barred;
use crate::domain::subscription;
use crate::domain::user::{Standing, gate};
use crate::domain::xpert::list::{Line, compose};
use crate::domain::xpert::settings::webhook_url;
use crate::http::address;
use crate::http::call::Call;
use crate::http::devices::{self, Admission, Told};
use crate::http::failure::Failure;
use crate::http::fetch_log::note;
use crate::http::settings::profile;
use crate::http::ways;
use crate::store::fetch_log::{self, List};

/// Which links a list holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Everything.
    All,
    /// Direct configs only.
    Direct,
}

/// How the links are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Universal,
    Base64,
}

/// `GET /api/xpert/sub?user_token=` and `GET /api/xpert/direct-configs/sub?user_token=`, also HEAD
///
/// Rows read: 4 (user, usage, state, the hour's log), 1 more for an alias, and where devices are told apart, those of
/// [`devices::admit`]. Rows written: 1 for the first fetch of a (user, hour, client family).
pub(super) async fn fetch(request: &Request, call: &Call, of: Of) -> Result<Response, Failure> {
    let token = parameter(request, "user_token").unwrap_or_default();
    let who = Who::read(call, &token)?;
    let (format, format_name) = match parameter(request, "format").as_deref() {
        None | Some("" | "universal") => (Format::Universal, "universal"),
        Some("base64") => (Format::Base64, "base64"),
        Some(_) => return Err(Failure::invalid("format", "universal or base64")),
    };
    let list = read(request, call, &who).await?;
    let standing = list.user.standing_at(call.now);
    let end = Second::clamped(list.user.period_end);
    let barred = subscription::reason(gate(&standing, call.now), end, list.user.cycle.zone);
    let admission = match barred {
        None => devices::admit(request, call, &list.user, &Told::of_list(&list)).await?,
        Some(_) => Admission::default(),
    };
    let lines = match barred.or(admission.reason) {
        Some(reason) => refusal(call, &list, &reason)?,
        None => links(call, &list, &standing, of)?,
    };
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    let body = if format == Format::Base64 { STANDARD.encode(text) } else { text };

    let headers = headers(request, call, &list, of, &token, &subscription::userinfo(&standing))?;
    headers.set("content-length", &body.len().to_string())?;
    for sign in admission.signs {
        headers.set(sign, "true")?;
    }
    note(request, call, list.user.id, format_name, list.logged.as_deref()).await?;
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(body)? };
    Ok(response.with_headers(headers))
}

/// What the fetch needs, of whom the token names.
async fn read(request: &Request, call: &Call, who: &Who) -> Result<List, Failure> {
    let has_id = devices::has_id(request);
    let found = match who {
        Who::Token(token) => fetch_log::list(i64::from(token.user), has_id, call.now),
        Who::Alias(alias) => fetch_log::list_by_alias(alias, has_id, call.now),
    };
    let list: List = call.db.first(found).await?.ok_or(UNKNOWN)?;
    match who {
        Who::Token(token) if token.generation != list.user.generation => Err(UNKNOWN),
        _ => Ok(list),
    }
}

/// What a user gets who may not pass.
fn refusal(call: &Call, list: &List, reason: &str) -> Result<Vec<String>, Failure> {
    let profile = profile(&call.env, list.profile.as_deref())?;
    Ok(match profile.barred {
        Barred::Notice => vec![notice(reason).link()],
        Barred::Empty => Vec::new(),
    })
}

/// The links, or the one entry that says that there are none: an empty list is an error to many clients.
fn links(call: &Call, list: &List, standing: &Standing, of: Of) -> Result<Vec<String>, Failure> {
    let direct = stored(&list.direct)?;
    let lines = match of {
        Of::Direct => compose(&[], &[&direct]),
        Of::All => {
            compose(&ways::own(call, &list.user, standing, &list.endpoints)?, &[&stored(&list.aggregated)?, &direct])
        }
    };
    Ok(if lines.is_empty() { vec![notice("No server is connected yet").link()] } else { lines })
}

fn stored(text: &str) -> Result<Vec<Line>, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Broken(format!("published links: {error}")))
}

/// The headers that clients of this family read; each value is ASCII.
fn headers(
    request: &Request,
    call: &Call,
    list: &List,
    of: Of,
    token: &str,
    userinfo: &str,
) -> Result<Headers, Failure> {
    let settings = settings::in_force(call, &list.settings)?;
    let title = if of == Of::All { settings.title } else { settings.direct_title };
    let headers = Headers::new();
    headers.set("content-type", "text/plain; charset=utf-8")?;
    headers.set("profile-update-interval", "1")?;
    headers.set("subscription-userinfo", userinfo)?;
    headers.set("profile-title", &if title.is_ascii() { title } else { subscription::header_text(&title) })?;
    if settings.tracking_enabled {
        let origin = address::origin(request);
        headers.set("traffic-webhook", &webhook_url(&settings.domain, &origin))?;
    }
    headers.set("user-token", token)?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    Ok(headers)
}
