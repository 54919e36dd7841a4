//! What applying a changed plan to its users would change, and applying it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use worker::{Request, Response};

use super::plans::{find, subject};
use super::{ITEMS, MOST_ITEMS, number};
use crate::domain::audit::{Entry, Facts};
use crate::domain::plan::differences;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs;
use crate::store::plan_users::{self, Counts, PlanUser};
use crate::store::plans;

/// What a user has of the plan now and would have, where the two differ.
#[derive(Serialize)]
struct ChangeJson {
    user: String,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

/// `GET /api/v1/plans/{name}/changes`
///
/// Query: `limit` 1..=200, `offset`. Users who were last given an older version, with what would change for each, and of how
/// many each field would change. Rows read: 3 for each of them, and 4 for each that is shown.
pub(crate) async fn preview(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, "plans:changes").await?;
    let (limit, offset) = (number(request, "limit", ITEMS, 1, MOST_ITEMS)?, number(request, "offset", 0, 0, u32::MAX)?);
    let plan = find(call, name).await?;
    let outcomes = call.db.batch(&[plan_users::page(&plan, limit, offset), plan_users::counts(&plan)]).await?;
    let [page, counts] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let found: Vec<PlanUser> = page.rows()?;
    let counts: Counts = counts.rows()?.pop().unwrap_or_default();
    let end = offset.saturating_add(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let next = (end < counts.users && !found.is_empty()).then_some(end);
    let change = |user: PlanUser| {
        let (before, after) = differences(&user.terms, &user.after(&plan));
        ChangeJson { user: user.name, before, after }
    };
    let items: Vec<ChangeJson> = found.into_iter().map(change).collect();
    let body = json!({
        "version": plan.version, "fields": counts, "items": items, "total": counts.users, "next": next,
    });
    Ok(Response::from_json(&body)?)
}

/// The body of an application: the version whose changes somebody has seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    version: u32,
}

/// `POST /api/v1/plans/{name}/apply`
///
/// 202: a job gives the plan's values to its users, within a minute the first of them. 409 when the plan was changed since the
/// version that the body names.
pub(crate) async fn apply(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "plans:write").await?;
    let wanted: Wanted = body::json(&mut request).await?;
    let prepare = async || {
        let plan = find(call, name).await?;
        if plan.version != wanted.version {
            let message = format!("plan {} stands at version {}: look at its changes", plan.name, plan.version);
            return Err(Failure::Conflict { code: "plan_changed", message });
        }
        let entry = Entry::new("plan.apply", subject(&plan.name)).after(Facts::new().plain("version", plan.version));
        let batch = [plans::apply(&plan.name, plan.version), jobs::call("plans", call.now)];
        Ok(Deed::new(entry, batch, plan))
    };
    let (_, plan) = recorded(call, &actor, prepare).await?;
    let body = json!({ "name": plan.name, "version": wanted.version });
    Ok(Response::from_json(&body)?.with_status(202))
}
