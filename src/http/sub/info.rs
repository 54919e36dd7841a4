//! What Marzban's apps ask beside the list: how a user stands, and on which nodes he moved his bytes.

use serde_json::{Value, json};
use worker::{Method, Request, Response};

use super::bearer::Bearer;
use crate::http::address;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::marzban::{Scene, UserResponse, usage_by_node};
use crate::store::fetch_log::{self, Newest, Opened};
use crate::store::marzban_users::Seen;

/// What is asked for, where formats have their names.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Info,
    Usage,
}

impl Asked {
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            Some("info") => Some(Self::Info),
            Some("usage") => Some(Self::Usage),
            _ => None,
        }
    }
}

/// What of a user is his operator's business alone.
const HIDDEN: [&str; 5] = ["admin", "excluded_inbounds", "note", "inbounds", "auto_delete_in_days"];

/// `GET /sub/{token}/info` and `GET /sub/{token}/usage`, also HEAD
///
/// The user as Marzban's API shows him, without what is his operator's business; and his bytes by node from `start` to `end`. Neither is a fetch of a
/// list, so neither stands in a log. Rows read: those of the token and of [`Bearer::open`]; for the user 1 more in an hour in which he has not fetched, and
/// for the usage those of [`usage_by_node`].
pub(super) async fn answer(request: &Request, call: &Call, token: &str, asked: Asked) -> Result<Response, Failure> {
    let opened = match Bearer::read(call, token).await? {
        Some(bearer) => bearer.open(request, call).await?,
        None => None,
    };
    let opened = opened.ok_or(Failure::NotFound("page"))?;
    let told = match asked {
        Asked::Info => info(request, call, opened).await?,
        Asked::Usage => {
            let usages = usage_by_node(request, call, opened.user.id).await?;
            json!({ "username": opened.user.name, "usages": usages })
        }
    };
    let body = Response::from_json(&told)?;
    let headers = body.headers().clone();
    headers.set("x-robots-tag", "noindex")?;
    let response = if request.method() == Method::Head { Response::empty()? } else { body };
    Ok(response.with_headers(headers))
}

async fn info(request: &Request, call: &Call, opened: Opened) -> Result<Value, Failure> {
    // What he fetched in this hour is the newest, and was read with him.
    let fetched = match opened.logged {
        None => {
            let newest: Option<Newest> = call.db.first(fetch_log::newest(opened.user.id, call.now)).await?;
            newest.and_then(|newest| newest.entries)
        }
        logged => logged,
    };
    let scene = Scene::new(address::origin(request), &opened.endpoints)?;
    let seen = Seen { user: opened.user, owner_name: None, owner_role: None, owner_telegram_id: None, fetched };
    let user = serde_json::to_value(UserResponse::new(seen, &scene, call)?);
    let mut user = user.map_err(|error| Failure::Broken(format!("a user as JSON: {error}")))?;
    if let Value::Object(fields) = &mut user {
        fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
    }
    Ok(user)
}
