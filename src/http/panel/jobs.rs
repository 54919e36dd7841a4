//! The jobs.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};
use crate::views::panel::{Jobs, JobsLive, Section};

/// `GET /settings/jobs`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session, and 1 per job that exists.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("settings:read")?;
    let jobs: Vec<Job> = call.db.all(jobs::all()).await?;
    let live = JobsLive::new(jobs, &visit.say, visit.may("settings:write"));
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&Jobs { shell: visit.shell(Section::Jobs), live }, 200)
}
