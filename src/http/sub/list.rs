//! A list for apps.

use worker::{Method, Request, Response};

use super::{Visit, headers};
use crate::domain::format::{About, Format, Ways};
use crate::domain::presentation::Barred;
use crate::domain::subscription;
use crate::domain::user::allowance;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fetch_log::note;

/// The list in a format. mihomo asks with the tag that it has and takes the numbers from a 304 too; no other client asks so, and
/// none needs a tag. Rows written: 1 for the first fetch of a (user, hour, client family).
pub(super) async fn give(request: &Request, call: &Call, visit: &Visit, format: Format) -> Result<Response, Failure> {
    let ways = match (visit.reason.as_deref(), visit.profile.barred) {
        (None, _) => Ways::Open(&visit.endpoints),
        (Some(_), Barred::Empty) if format.is_list() => Ways::None,
        (Some(reason), _) => Ways::Barred(reason),
    };
    let allowance = allowance(&visit.standing);
    let about = About {
        url: &visit.url,
        update_hours: visit.profile.update_hours,
        used: allowance.used.get(),
        quota: allowance.quota.get(),
    };
    let rendered = format.render(ways, about);
    let headers = headers::of_list(visit, call.now)?;
    headers.set("content-type", format.content_type())?;
    if !rendered.left_out.is_empty() {
        headers.set("weir-left-out", &rendered.left_out.len().to_string())?;
    }
    note(request, call, visit.user.id, format.name(), visit.logged.as_deref()).await?;
    let body = rendered.body;
    if matches!(format, Format::Clash(_)) {
        let tag = subscription::tag(&body);
        headers.set("etag", &tag)?;
        let known = request.headers().get("if-none-match")?.unwrap_or_default();
        if subscription::names_tag(&known, &tag) {
            return Ok(Response::empty()?.with_status(304).with_headers(headers));
        }
    }
    headers.set("content-length", &body.len().to_string())?;
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(body)? };
    Ok(response.with_headers(headers))
}
