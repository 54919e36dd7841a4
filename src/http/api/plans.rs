//! Plans.

use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wire::Bytes;
use worker::{Request, Response};

use super::segment;
use crate::domain::audit::{Entry, Facts};
use crate::domain::limits::{Count, Days};
use crate::domain::name::PlanName;
use crate::domain::period::{AnchorDay, Strategy};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body::{self, given, value};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::jobs::{self, Job};
use crate::store::plan_users::{self, Holders, Wanted};
use crate::store::plans::{self, Plan};

/// What can be said of a plan. Fields that a creation lacks are unlimited, those that a change lacks stay.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFields {
    #[serde(default, deserialize_with = "value")]
    name: Option<PlanName>,
    #[serde(default, deserialize_with = "value")]
    monthly_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    total_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    reset_strategy: Option<Strategy>,
    #[serde(default, deserialize_with = "given")]
    reset_day: Option<Option<AnchorDay>>,
    #[serde(default, deserialize_with = "value")]
    duration_days: Option<Days>,
    #[serde(default, deserialize_with = "value")]
    speed_limit: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    device_limit: Option<Count>,
    #[serde(default, deserialize_with = "value")]
    stream_limit: Option<Count>,
    #[serde(default, deserialize_with = "given")]
    address_limit: Option<Option<Count>>,
}

impl PlanFields {
    fn onto(self, plan: Plan) -> Plan {
        Plan {
            monthly_quota: self.monthly_quota.unwrap_or(plan.monthly_quota),
            total_quota: self.total_quota.unwrap_or(plan.total_quota),
            reset_strategy: self.reset_strategy.unwrap_or(plan.reset_strategy),
            reset_day: self.reset_day.unwrap_or(plan.reset_day),
            duration_days: self.duration_days.unwrap_or(plan.duration_days),
            speed_limit: self.speed_limit.unwrap_or(plan.speed_limit),
            device_limit: self.device_limit.unwrap_or(plan.device_limit),
            stream_limit: self.stream_limit.unwrap_or(plan.stream_limit),
            address_limit: self.address_limit.unwrap_or(plan.address_limit),
            ..plan
        }
    }
}

/// A plan with those who have it.
#[derive(Serialize)]
struct PlanJson {
    #[serde(flatten)]
    plan: Plan,
    users: u32,
    /// Those who were last given an older version.
    outdated: u32,
    /// A job is giving it to them.
    applying: Option<Progress>,
}

/// How far the job is that gives a plan to its users; also what that job remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) plan: String,
    pub(crate) version: u32,
    /// Users who have been given it.
    pub(crate) done: u32,
}

/// `GET /api/v1/plans`
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "plans:read").await?;
    let items: Vec<Plan> = call.db.all(plans::all()).await?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/plans`
///
/// 201 with the plan; 409 when there is one of this name.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "plans:write").await?;
    let fields: PlanFields = body::json(&mut request).await?;
    let name = fields.name.clone().ok_or_else(|| Failure::invalid("name", "it is missing"))?;
    let new = fields.onto(Plan { name: name.into(), ..Plan::default() });
    let prepare = async || {
        let entry = Entry::new("plan.create", subject(&new.name)).after(Facts::of(&new, &PLAIN));
        Ok(Deed::new(entry, [plans::create(&new)], ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let plan = written(&outcomes)?.ok_or_else(|| Failure::Broken("a plan that was written is not there".into()))?;
    let location = format!("/api/v1/plans/{}", plan.name);
    let mut response = Response::from_json(&plan)?.with_status(201);
    response.headers_mut().set("location", &location)?;
    Ok(response)
}

/// Texts of a plan that the audit log may show.
const PLAIN: [&str; 2] = ["name", "reset_strategy"];

/// What the audit log calls a plan.
pub(super) fn subject(name: &str) -> String {
    format!("plans/{name}")
}

/// The plan that the only statement of a deed returns.
fn written(outcomes: &[Outcome]) -> Result<Option<Plan>, Failure> {
    Ok(outcomes.first().map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<Plan>| rows.pop()))
}

pub(super) async fn find(call: &Call, name: &str) -> Result<Plan, Failure> {
    call.db.first(plans::by_name(&segment(name)?)).await?.ok_or(Failure::NotFound("plan"))
}

/// `GET /api/v1/plans/{name}`
///
/// With how many have it, and how far a job is that gives it to them. Rows read: 1 for each of them.
pub(crate) async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, "plans:read").await?;
    let plan = find(call, name).await?;
    let holders: Option<Holders> = call.db.first(plan_users::holders(&plan)).await?;
    let Holders { users, outdated } = holders.unwrap_or_default();
    let applying = match plan.applying {
        Some(version) => Some(progress(call, &plan.name, version).await?),
        None => None,
    };
    Ok(Response::from_json(&PlanJson { plan, users, outdated, applying })?)
}

async fn progress(call: &Call, plan: &str, version: u32) -> Result<Progress, Failure> {
    let all: Vec<Job> = call.db.all(jobs::all()).await?;
    let noted = all.into_iter().find(|job| job.name == "plans").and_then(|job| job.cursor);
    let noted: Option<Progress> = noted.and_then(|text| serde_json::from_str(&text).ok());
    let none = Progress { plan: plan.to_owned(), version, done: 0 };
    Ok(noted.filter(|noted| noted.plan == plan && noted.version == version).unwrap_or(none))
}

/// `PATCH /api/v1/plans/{name}`
///
/// Fields that the body lacks stay; the name stays in any case. The version rises unless nothing is changed. Users keep what
/// they have until the plan is applied.
pub(crate) async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "plans:write").await?;
    let fields: PlanFields = body::json(&mut request).await?;
    if fields.name.is_some() {
        return Err(Failure::invalid("name", "a plan's name stays: create another plan"));
    }
    let prepare = async || {
        let plan = find(call, name).await?;
        let new = fields.clone().onto(plan.clone());
        if new == plan {
            return Ok(Deed::nothing(plan));
        }
        let (before, after) = (Facts::of(&plan, &PLAIN), Facts::of(&new, &PLAIN));
        let entry = Entry::new("plan.change", subject(&plan.name)).before(before).after(after);
        Ok(Deed::new(entry, [plans::change(&new)], new))
    };
    let (outcomes, plan) = recorded(call, &actor, prepare).await?;
    let plan = written(&outcomes)?.unwrap_or(plan);
    Ok(Response::from_json(&plan)?)
}

/// `DELETE /api/v1/plans/{name}`
///
/// 204; 409 while somebody has the plan or waits for it.
pub(crate) async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "plans:write").await?;
    let prepare = async || {
        let plan = find(call, name).await?;
        let wanted: Option<Wanted> = call.db.first(plan_users::wanted(&plan.name)).await?;
        if wanted.is_none_or(|wanted| wanted.is_wanted == 1) {
            let message = format!("users have the plan {} or have it queued", plan.name);
            return Err(Failure::Conflict { code: "in_use", message });
        }
        let entry = Entry::new("plan.delete", subject(&plan.name)).before(Facts::of(&plan, &PLAIN));
        Ok(Deed::new(entry, [plans::delete(&plan.name)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}
