//! The page for people, and pictures of their links.

use askama::Template;
use worker::{Method, Request, Response};

use super::Visit;
use crate::domain::format;
use crate::domain::history::{Bucket, Range, Row, Span, buckets};
use crate::domain::notice::texts::Language;
use crate::domain::page::apps::Platform;
use crate::domain::page::language::{code, named, preferred};
use crate::domain::page::qr::Qr;
use crate::http::address::parameter;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fetch_log::note;
use crate::http::settings;
use crate::store::charts::{self, Rows, Whose};
use crate::views::{SubscriptionFacts, SubscriptionGone, SubscriptionPage};

/// Days of the chart.
const DAYS: u32 = 30;

/// The page.
///
/// Rows read: 1 per (node, hour) with traffic of the user in the days that are kept by the hour (7 unless set otherwise), and 1
/// per (node, day) of the days before, 30 in all: on one node at most 215. Queries: 2 more.
pub(super) async fn show(request: &Request, call: &Call, visit: &Visit) -> Result<Response, Failure> {
    let language = language(request);
    let days = if request.method() == Method::Head { Vec::new() } else { days(call, visit.user.id).await? };
    let page = SubscriptionPage::new(SubscriptionFacts {
        title: &visit.profile.title,
        user: &visit.user.name,
        plan: visit.user.plan.as_deref(),
        standing: &visit.standing,
        period_end: visit.user.period(call.now).end,
        zone: visit.user.cycle.zone,
        now: call.now,
        language,
        url: &visit.url,
        support_url: visit.profile.support_url.as_deref(),
        platform: Platform::of(&header(request, "user-agent")),
        days: &days,
        links: links(visit),
    });
    let html = page.render().map_err(|error| Failure::Broken(format!("template: {error}")))?;
    note(request, call, visit.user.id, "page", visit.logged.as_deref()).await?;
    private(if request.method() == Method::Head { Response::empty()? } else { Response::ok(html)? }, language)
}

/// A link that belongs to nobody, for a person; an app gets plain text. No query, so what was set in the panel is not known here:
/// the page has its title from the Worker's variables.
pub(super) fn gone(request: &Request, call: &Call) -> Result<Response, Failure> {
    let is_person =
        header(request, "user-agent").starts_with("Mozilla/") && header(request, "accept").contains("text/html");
    if !is_person {
        return Err(Failure::NotFound("subscription"));
    }
    let (profile, language) = (settings::profile(&call.env, None)?, language(request));
    let page = SubscriptionGone::new(&profile.title, profile.support_url.as_deref(), language);
    let html = page.render().map_err(|error| Failure::Broken(format!("template: {error}")))?;
    let body = if request.method() == Method::Head { Response::empty()? } else { Response::ok(html)? };
    private(body.with_status(404), language)
}

fn header(request: &Request, name: &str) -> String {
    request.headers().get(name).ok().flatten().unwrap_or_default()
}

/// The language that is asked for, else the one that the browser prefers.
fn language(request: &Request) -> Language {
    let asked = parameter(request, "lang").and_then(|code| named(&code));
    asked.unwrap_or_else(|| preferred(&header(request, "accept-language")))
}

/// Nobody else may keep or list it: its address is a credential.
fn private(response: Response, language: Language) -> Result<Response, Failure> {
    let headers = response.headers();
    headers.set("content-type", "text/html; charset=utf-8")?;
    headers.set("content-language", code(language))?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    headers.set("vary", "User-Agent, Accept, Accept-Language")?;
    Ok(response)
}

/// Name and link of each way in; none for a user who may not pass.
fn links(visit: &Visit) -> Vec<(String, String)> {
    if visit.reason.is_some() {
        return Vec::new();
    }
    visit.endpoints.iter().map(|endpoint| (endpoint.name.clone(), format::line(&endpoint.name, endpoint))).collect()
}

/// Bytes of the last days of UTC.
async fn days(call: &Call, user: i64) -> Result<Vec<Bucket>, Failure> {
    let range = Range::new(Span::Day, None, None, call.now, DAYS)
        .map_err(|(field, rule)| Failure::Broken(format!("the page's chart: {field}: {rule}")))?;
    let mut rows: Vec<Row> = Vec::new();
    for outcome in call.db.batch(&charts::read(Whose::User(user, None), false, range)).await? {
        for part in outcome.rows::<Rows>()? {
            rows.extend(part.decode().map_err(|error| Failure::Broken(format!("usage: {error}")))?);
        }
    }
    Ok(buckets(Span::Day, rows))
}

/// Which link a picture is wanted of: `link`, from 0, as the page counts them.
pub(super) fn link_of(request: &Request) -> Result<usize, Failure> {
    let number = parameter(request, "link").and_then(|text| text.parse().ok());
    number.ok_or_else(|| Failure::invalid("link", "the number of a server, from 0"))
}

/// `GET /sub/{token}/qr?link=`: one link as a picture. The page asks for it when somebody opens the link, because pictures of all
/// of them would make the page many times as heavy.
pub(super) fn qr(visit: &Visit, link: usize) -> Result<Response, Failure> {
    let links = links(visit);
    let (_, text) = links.get(link).ok_or(Failure::NotFound("server"))?;
    let qr = Qr::of(text).ok_or(Failure::NotFound("picture"))?;
    let response = Response::ok(qr.svg())?;
    let headers = response.headers();
    headers.set("content-type", "image/svg+xml")?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-robots-tag", "noindex")?;
    Ok(response)
}
