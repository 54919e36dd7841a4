//! What a user's link answers in each format, for the operator: what is left out of a list is seen by nobody else.

use serde::Serialize;
use serde_json::json;
use weir_wire::Second;
use worker::{Request, Response};

use super::users::find;
use crate::domain::format::{About, Format, Unfit, Ways};
use crate::domain::subscription;
use crate::domain::user::{allowance, gate};
use crate::http::accounts::subscription_url;
use crate::http::auth::authorize_for_users;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings::profile;
use crate::http::ways;
use crate::store::fetch_log::{self, Opened};

/// A list as the user's apps get it.
#[derive(Serialize)]
struct List {
    format: &'static str,
    url: String,
    content_type: &'static str,
    /// Length of the body.
    bytes: usize,
    /// Servers in it.
    servers: usize,
    left_out: Vec<LeftOut>,
}

/// A server that is not in the list.
#[derive(Serialize)]
struct LeftOut {
    name: String,
    code: Unfit,
    why: String,
}

/// `GET /api/v1/users/{name}/subscription`
///
/// It is no fetch: nothing is logged, no device is entered. Rows read: 6. A user who may not pass is shown the servers that he
/// would get, with the reason why he does not.
pub(crate) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:links").await?;
    let user = find(call, &actor, name).await?;
    let opened: Option<Opened> = call.db.first(fetch_log::open(user.id, false, call.now)).await?;
    let opened = opened.ok_or(Failure::NotFound("user"))?;
    let standing = opened.user.standing_at(call.now);
    let servers = ways::own(call, &opened.user, &standing, &opened.endpoints)?;
    let profile = profile(&call.env, opened.profile.as_deref())?;
    let url = subscription_url(&opened.user, request, call)?;
    let allowance = allowance(&standing);
    let about = About {
        url: &url,
        update_hours: profile.update_hours,
        used: allowance.used.get(),
        quota: allowance.quota.get(),
    };
    let lists = Format::all().map(|format| {
        let rendered = format.render(Ways::Open(&servers), about);
        let left_out = rendered.left_out.into_iter().map(|server| LeftOut {
            name: server.name,
            code: server.why,
            why: server.why.to_string(),
        });
        List {
            format: format.name(),
            url: format!("{url}/{}", format.name()),
            content_type: format.content_type(),
            bytes: rendered.body.len(),
            servers: rendered.served,
            left_out: left_out.collect(),
        }
    });
    let end = Second::clamped(opened.user.period_end);
    Ok(Response::from_json(&json!({
        "url": url,
        "reason": subscription::reason(gate(&standing, call.now), end, opened.user.cycle.zone),
        "servers": servers.iter().map(|server| &server.name).collect::<Vec<_>>(),
        "lists": lists.collect::<Vec<_>>(),
    }))?)
}
