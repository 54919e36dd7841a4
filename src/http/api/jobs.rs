//! Jobs: how each went, and running one now.

use serde::Serialize;
use serde_json::json;
use worker::{Request, Response};

use super::segment;
use crate::domain::audit::{Entry, Facts};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};

/// A job as the API shows it; instants in unix seconds.
#[derive(Serialize)]
struct JobJson {
    name: String,
    next_at: i64,
    /// Begin of the last run; it may still go on.
    started_at: Option<i64>,
    /// End of the last run that came to an end.
    ended_at: Option<i64>,
    lasted_ms: i64,
    queries: u32,
    rows_read: u32,
    rows_written: u32,
    /// Runs in a row that failed or were cut off.
    failures: u32,
    error: Option<String>,
    /// What it says of itself that is no error.
    note: Option<String>,
}

impl From<Job> for JobJson {
    fn from(job: Job) -> Self {
        Self {
            name: job.name,
            next_at: job.next_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            lasted_ms: job.lasted_ms,
            queries: job.queries,
            rows_read: job.rows_read,
            rows_written: job.rows_written,
            failures: job.failures,
            error: job.error,
            note: job.note,
        }
    }
}

/// `GET /api/v1/jobs`
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "settings:read").await?;
    let all: Vec<Job> = call.db.all(jobs::all()).await?;
    let items: Vec<JobJson> = all.into_iter().map(JobJson::from).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/jobs/{name}/run`
///
/// 202: the next trigger, within a minute, runs it.
pub(crate) async fn run(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let name = segment(name)?;
    let prepare = async || {
        let all: Vec<Job> = call.db.all(jobs::all()).await?;
        let job = all.into_iter().find(|job| job.name == name).ok_or(Failure::NotFound("job"))?;
        let facts = |at: i64| Facts::new().plain("next_at", at);
        let entry = Entry::new("job.run", format!("jobs/{name}"))
            .before(facts(job.next_at))
            .after(facts(job.next_at.min(call.now.get())));
        Ok(Deed::new(entry, [jobs::call(&name, call.now)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(202))
}
