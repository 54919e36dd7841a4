//! What Marzban's apps ask beside the list: how a user stands.

use serde_json::Value;
use worker::{Method, Request, Response};

use crate::http::address;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::marzban::{Scene, UserResponse};
use crate::store::fetch_log::Opened;
use crate::store::marzban_users::Seen;

/// Its name, where formats have theirs.
pub(super) const INFO: &str = "info";

/// What of a user is his operator's business alone.
const HIDDEN: [&str; 5] = ["admin", "excluded_inbounds", "note", "inbounds", "auto_delete_in_days"];

/// `GET /sub/{token}/info`: the user as Marzban's API shows him, without what is his operator's business. It is no fetch of a list, so it stands
/// in no log.
pub(super) fn show(request: &Request, call: &Call, opened: Opened) -> Result<Response, Failure> {
    let scene = Scene::new(address::origin(request), &opened.endpoints)?;
    let seen = Seen {
        user: opened.user,
        owner_name: None,
        owner_role: None,
        owner_telegram_id: None,
        owner_discord_webhook: None,
    };
    let user = serde_json::to_value(UserResponse::new(seen, &scene, call)?);
    let mut user = user.map_err(|error| Failure::Broken(format!("a user as JSON: {error}")))?;
    if let Value::Object(fields) = &mut user {
        fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
    }
    json(request, &user)
}

/// An answer that nobody may keep: its address is a credential.
pub(super) fn json(request: &Request, value: &Value) -> Result<Response, Failure> {
    let body = Response::from_json(value)?;
    let headers = body.headers().clone();
    headers.set("x-robots-tag", "noindex")?;
    let response = if request.method() == Method::Head { Response::empty()? } else { body };
    Ok(response.with_headers(headers))
}
