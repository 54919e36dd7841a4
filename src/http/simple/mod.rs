//! The simple JSON API for existing scripts: whole gigabytes, `{"success":true}`, `{"error":"..."}`.

mod user_json;
pub(crate) mod users;

use serde_json::json;
use worker::{Request, Response};

use super::auth::{authorize, authorize_for_users};
use super::call::{Call, bearer};
use super::failure::Failure;
use crate::domain::audit::Actor;
use crate::route::Face;
use crate::route::face;
use crate::store::overview::{self, AllTime};

/// A failure as these scripts read it. On the paths that Marzban's API has too, a caller without credential is answered
/// in both forms.
pub(crate) fn refusal(failure: &Failure, shared: bool) -> worker::Result<Response> {
    let (_, _, message) = failure.describe();
    let body = match failure {
        Failure::Unauthorized if shared => json!({ "detail": "Not authenticated", "error": "Unauthorized" }),
        Failure::Unauthorized => json!({ "error": "Unauthorized" }),
        Failure::NotFound("user") => json!({ "error": "User not found" }),
        Failure::Invalid { field, .. } => json!({ "error": message, "field": field }),
        _ => json!({ "error": message }),
    };
    Response::from_json(&body)
}

/// Lets a key or a session with `scope` pass; returns who calls. A bearer that is none of our keys is meant for Marzban's API.
async fn admit(request: &Request, call: &Call, scope: &'static str) -> Result<Actor, Failure> {
    let ours = bearer(request)?.is_none_or(|key| key.starts_with("weir_"));
    if !ours && face(&request.path()) == (Face::Simple { shared: true }) {
        return Err(Failure::Unauthorized);
    }
    if scope.starts_with("users:") {
        authorize_for_users(request, call, scope).await
    } else {
        authorize(request, call, scope).await
    }
}

fn success() -> Result<Response, Failure> {
    Ok(Response::from_json(&json!({ "success": true }))?)
}

/// `GET /api/stats`
///
/// `total_traffic` in bytes of all time, up and down. Rows read: 2, and 1 for each ledger of the nodes.
pub(crate) async fn stats(request: &Request, call: &Call) -> Result<Response, Failure> {
    admit(request, call, "stats:read").await?;
    let found: Option<AllTime> = call.db.first(overview::all_time()).await?;
    let all = found.unwrap_or_default();
    let body = json!({ "total_users": all.users, "active_users": all.users_open, "total_traffic": all.bytes });
    Ok(Response::from_json(&body)?)
}
