//! A failure as Marzban's clients read it: `{"detail": "<sentence>"}`, and 422 with `{"detail": {"<field>": "<rule>"}}`. They compare some of the
//! sentences letter by letter.

use serde_json::json;
use worker::{Request, Response};

use crate::http::call::bearer;
use crate::http::failure::Failure;

/// What Marzban calls a thing that is not there.
fn missing(what: &str) -> String {
    match what {
        "user" => "User not found".into(),
        "operator" | "admin" => "Admin not found".into(),
        "node" => "Node not found".into(),
        "template" => "User Template not found".into(),
        "page" => "Not Found".into(),
        other => other.to_owned(),
    }
}

/// The status and the body; see the module's description. What only our own API knows (503, 429) has its own sentences in the same form.
pub(in crate::http) fn refusal(failure: &Failure) -> worker::Result<(u16, Response)> {
    let (status, _, message) = failure.describe();
    let (status, detail) = match failure {
        // A body that is no JSON breaks a rule of the body, as FastAPI has it.
        Failure::Malformed(why) => (422, json!({ "body": why })),
        Failure::Invalid { field, rule } => {
            let last = field.rsplit(['.', '[', ']']).find(|part| !part.is_empty()).unwrap_or(field);
            (422, json!({ last: rule }))
        }
        Failure::Unauthorized => (401, json!("Could not validate credentials")),
        Failure::Forbidden(_) | Failure::Role { .. } | Failure::Keyed | Failure::Foreign => {
            (403, json!("You're not allowed"))
        }
        Failure::NotFound(what) => (404, json!(missing(what))),
        Failure::Method(_) => (405, json!("Method Not Allowed")),
        _ => (status, json!(message)),
    };
    Ok((status, Response::from_json(&json!({ "detail": detail }))?))
}

/// What whoever brings no bearer at all is answered; `None` for whoever brings one.
pub(super) fn without_bearer(request: &Request) -> Result<Option<Response>, Failure> {
    if bearer(request)?.is_some() {
        return Ok(None);
    }
    unknown("Not authenticated").map(Some)
}

/// What whoever does not say who he is is answered.
pub(super) fn unknown(detail: &str) -> Result<Response, Failure> {
    let response = Response::from_json(&json!({ "detail": detail }))?.with_status(401);
    response.headers().set("www-authenticate", "Bearer")?;
    Ok(response)
}
