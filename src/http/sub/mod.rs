//! Subscriptions, `/sub/...`: the token is the credential, and a forged one costs no query. What looks like one of another panel's costs the one that reads
//! that panel's secret, and what may be an alias the one that looks for it.

mod bearer;
mod headers;
mod info;
mod list;
mod page;

use core::cell::RefCell;
use std::rc::Rc;

use bearer::Bearer;
use weir_wire::Second;
use worker::{Request, Response, console_error};

use super::address;
use super::call::Call;
use super::devices;
use super::failure::Failure;
use super::settings::{self, Profile};
use super::ways;
use crate::domain::endpoint::Endpoint;
use crate::domain::format::{Extra, Format, Given, Rules};
use crate::domain::subscription;
use crate::domain::user::{Standing, gate};
use crate::store::fetch_log::Opened;
use crate::store::users::User;

/// The picture of one link, where formats have their names.
const QR: &str = "qr";

/// Whoever came with a token, and what he may have.
struct Visit {
    user: User,
    standing: Standing,
    /// Why he gets no links.
    reason: Option<String>,
    /// The user's ways in, whether he may pass or not.
    endpoints: Vec<Endpoint>,
    profile: Profile,
    /// The subscription's own address: without format and query.
    url: String,
    /// The hour's log.
    logged: Option<String>,
}

/// `GET /sub/{token}` and `GET /sub/{token}/{format}`, also HEAD
///
/// Rows read: 4 (user, usage, state, the hour's log), and 1 more for a token of another panel or an alias; 1 for an alias that nobody has; none for a forged token or an unknown format; of a page, also those of
/// [`page::show`], and where devices are told apart, those of [`devices::admit`]. Rows written: 1 for the first fetch of a (user,
/// hour, client family).
pub(crate) async fn fetch(
    request: &Request,
    call: &Call,
    token: &str,
    format: Option<&str>,
) -> Result<Response, Failure> {
    if let Some(asked) = info::Asked::named(format) {
        return info::answer(request, call, token, asked).await;
    }
    let Some(bearer) = Bearer::read(call, token).await? else { return page::gone(request, call) };
    let link = (format == Some(QR)).then(|| page::link_of(request)).transpose()?;
    let named = if link.is_some() { None } else { named(request, format)? };
    let Some(opened) = bearer.open(request, call).await? else { return page::gone(request, call) };
    let (suited, extra) = suited(request, opened.clients.as_deref())?;
    let device = devices::Told::of(&opened);
    let mut visit = Visit::new(request, call, opened)?;
    if let Some(link) = link {
        return page::qr(&visit, link);
    }
    let response = match named.unwrap_or(suited) {
        Given::Page => page::show(request, call, &visit).await?,
        Given::List(format) => {
            let admission = match visit.reason {
                None => devices::admit(request, call, &visit.user, &device).await?,
                Some(_) => devices::Admission::default(),
            };
            visit.reason = visit.reason.or(admission.reason);
            let response = list::give(request, call, &visit, format).await?;
            for sign in admission.signs {
                response.headers().set(sign, "true")?;
            }
            response
        }
    };
    for (name, value) in extra.iter() {
        response.headers().set(name, value)?;
    }
    Ok(response)
}

impl Visit {
    fn new(request: &Request, call: &Call, opened: Opened) -> Result<Self, Failure> {
        let Opened { user, endpoints, logged, profile, .. } = opened;
        let standing = user.standing_at(call.now);
        let period_end = Second::clamped(user.period_end);
        Ok(Self {
            reason: subscription::reason(gate(&standing, call.now), period_end, user.cycle.zone),
            endpoints: ways::own(call, &user, &standing, &endpoints)?,
            profile: settings::profile(&call.env, profile.as_deref())?,
            url: own_address(&request.inner().url()),
            user,
            standing,
            logged,
        })
    }
}

/// What the path or the query names.
fn named(request: &Request, in_path: Option<&str>) -> Result<Option<Given>, Failure> {
    let query = address::parameter(request, "format");
    let Some(name) = in_path.or(query.as_deref()) else { return Ok(None) };
    let found = Given::named(name);
    found.map(Some).ok_or_else(|| Failure::invalid("format", format!("one of {}", Given::names())))
}

/// What the rules give to the client: page or format, and headers of its own. `own` are the operator's rules.
fn suited(request: &Request, own: Option<&str>) -> Result<(Given, Extra), Failure> {
    let given = |rules: &Rules| {
        let found = rules.find(|name| request.headers().get(name).ok().flatten());
        let none = || (Given::List(Format::Base64), Extra::default());
        found.map_or_else(none, |(_, rule)| (rule.format, rule.headers.clone()))
    };
    // Rules of another release must not end everybody's subscriptions: the shipped ones serve meanwhile.
    match own.and_then(rules_of) {
        Some(rules) => Ok(given(&rules)),
        None => {
            Rules::built_in().map(given).map_err(|error| Failure::Broken(format!("the built-in client rules: {error}")))
        }
    }
}

/// Rules as they were read last, beside their text. They change once in a while, and every fetch needs them: to compare the text costs a
/// hundredth of reading it.
fn rules_of(text: &str) -> Option<Rc<Rules>> {
    thread_local! {
        static LAST: RefCell<Option<(String, Rc<Rules>)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((known, rules)) = last
            && known == text
        {
            return Some(Rc::clone(rules));
        }
        let rules =
            Rules::read(text).inspect_err(|error| console_error!("client rules cannot be read: {error}")).ok()?;
        let rules = Rc::new(rules);
        *last = Some((text.to_owned(), Rc::clone(&rules)));
        Some(rules)
    })
}

/// The subscription's address of any of its URLs.
fn own_address(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    // scheme, empty, host, "sub", token
    plain.split('/').take(5).collect::<Vec<_>>().join("/")
}
