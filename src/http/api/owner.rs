//! Whose users are whose.

use serde::Deserialize;
use worker::{Request, Response};

use super::segment;
use crate::domain::name::OperatorName;
use crate::http::accounts;
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;

/// The body of a handing over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    /// An operator's name; `null` = the panel's own.
    operator: Option<OperatorName>,
}

/// `PUT /api/v1/users/{name}/owner`
///
/// Gives a user to an operator, within his allowances, or with `null` back to the panel. 204.
pub(crate) async fn set(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:own").await?;
    let Handed { operator } = body::json(&mut request).await?;
    let name = segment(name)?;
    let operator = operator.as_ref().map(OperatorName::as_str);
    accounts::hand_over(call, &actor, &name, operator).await.map_err(|failure| match failure {
        Failure::NotFound("operator") => Failure::invalid("operator", "the name of an operator, or null"),
        other => other,
    })?;
    Ok(Response::empty()?.with_status(204))
}
