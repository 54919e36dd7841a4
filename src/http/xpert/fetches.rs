//! Who fetched his subscription, when, with which client, in which format.

use serde_json::json;
use worker::{Request, Response};

use super::{READ, days, parameter};
use crate::domain::fetch::Fetch;
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fetch_log::fetches as fetches_of;
use crate::store::fetch_log::{self, Row};
use crate::store::users::{self, User};

/// Hours of one user that an answer shows at most.
const MOST: u32 = 500;

/// `GET /api/xpert/fetches?days=&user=`
///
/// The newest hour first; of all users or of the one whose name is given. Within an hour only the first fetch of each
/// client family is kept.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let days = days(request)?.unwrap_or(1);
    let user = match parameter(request, "user") {
        None => None,
        Some(name) => {
            let user: Option<User> = call.db.first(users::by_name(&name)).await?;
            Some(user.ok_or(Failure::NotFound("user"))?.id)
        }
    };
    let since = call.now.plus(-i64::from(days) * 86_400);
    let log = user
        .map_or_else(|| fetch_log::since(since, MOST), |user| fetch_log::since_of_user(user, since, call.now, MOST));
    let rows: Vec<Row> = call.db.all(log).await?;
    let mut fetches = Vec::new();
    for row in rows {
        for Fetch(client, format, at) in fetches_of(&row)? {
            fetches.push(json!({ "user": row.name, "at": at, "client": client, "format": format }));
        }
    }
    Ok(Response::from_json(&json!({ "fetches": fetches }))?)
}
