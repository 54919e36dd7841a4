//! The plans: all of them, one with what applying it would change, and the form that adds one.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::domain::percent::{self, form_field};
use crate::http::api::plans::Progress;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};
use crate::store::plan_users::{self, Counts, Holders, PlanHolders, PlanUser};
use crate::store::plans::{self, Plan};
use crate::views::panel::{AddPlan, Application, PlanFacts, PlanLine, PlanPage, PlanPageLive, Plans, Preview, Section};

/// Users whose changes are listed.
const SHOWN: u32 = 20;

/// `GET /plans`, also HEAD
///
/// Queries: 3. Rows read: 2 for the session, 2 per plan, and 1 per user who has one: the numbers do not refresh themselves. Who does
/// not see everybody's users is not told their number, and that is not counted.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("plans:read")?;
    let counts = visit.may("users:read");
    let plans: Vec<Plan> = call.db.all(plans::all()).await?;
    let counted: Vec<PlanHolders> = if counts { call.db.all(plan_users::all_holders()).await? } else { Vec::new() };
    let holders = |name: &str| {
        let found = counted.iter().find(|plan| plan.name == name);
        found.map_or((0, 0), |plan| (plan.holders.users, plan.holders.outdated))
    };
    let lines = plans.into_iter().map(|plan| {
        let holders = holders(&plan.name);
        PlanLine::new(plan, holders, &visit.say)
    });
    let shell = visit.shell(Section::Plans);
    page(&Plans::new(shell, lines.collect(), &visit.say, counts, visit.may("plans:write")), 200)
}

/// `GET /plans/{name}`, also HEAD
///
/// Queries: 5. Rows read: 2 for the session, 1 for the plan, 1 per user who has it, and 3 per user who has an older version, and 4 for
/// each who is shown. While the plan is being given to its users, and when a script asks for the progress: 3 queries, 3 rows and 1 per job.
pub(super) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("plans:read")?;
    let name = percent::decode(name).ok_or(Failure::NotFound("plan"))?;
    let plan: Plan = call.db.first(plans::by_name(&name)).await?.ok_or(Failure::NotFound("plan"))?;
    let application = application(request, call, &plan).await?;
    if visit.wants_part {
        let application = application.unwrap_or(Application { version: plan.version, done: None, of: None });
        return page(&PlanPageLive::new(&plan.name, application, &visit.say), 200);
    }
    let (mut holders, mut preview) = (None, None);
    if visit.may("users:read") && application.is_none() {
        let (have, would) = users(call, &plan, visit.may("plans:changes")).await?;
        holders = Some((have.users, have.outdated));
        preview = would;
    }
    let facts = PlanFacts { plan: &plan, holders, preview, application, changes: visit.may("plans:write") };
    page(&PlanPage::new(visit.shell(Section::Plans), facts, &visit.say), 200)
}

/// The job that gives the plan to its users; in the query stands `of`, how many were to be given it when somebody pressed the button.
async fn application(request: &Request, call: &Call, plan: &Plan) -> Result<Option<Application>, Failure> {
    let Some(version) = plan.applying else { return Ok(None) };
    let all: Vec<Job> = call.db.all(jobs::all()).await?;
    let noted = all.into_iter().find(|job| job.name == "plans").and_then(|job| job.cursor);
    let noted: Option<Progress> = noted.and_then(|text| serde_json::from_str(&text).ok());
    let noted = noted.filter(|noted| noted.plan == plan.name && noted.version == version);
    let url = request.inner().url();
    let of = url.split_once('?').and_then(|(_, query)| form_field(query, "of"));
    let done = Some(noted.map_or(0, |noted| noted.done));
    Ok(Some(Application { version, done, of: of.and_then(|of| of.parse().ok()) }))
}

/// Who has the plan, and what applying it would change if that may be told.
async fn users(call: &Call, plan: &Plan, tells: bool) -> Result<(Holders, Option<Preview>), Failure> {
    let holders: Holders = call.db.first(plan_users::holders(plan)).await?.unwrap_or_default();
    if !tells || holders.outdated == 0 {
        return Ok((holders, None));
    }
    let outcomes = call.db.batch(&[plan_users::page(plan, SHOWN, 0), plan_users::counts(plan)]).await?;
    let [users, counts] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let counts: Counts = counts.rows()?.pop().unwrap_or_default();
    let users = users.rows::<PlanUser>()?.into_iter().map(|user| {
        let after = user.after(plan);
        (user.name, user.terms, after)
    });
    Ok((holders, Some(Preview { fields: counts.each(), users: users.collect() })))
}

/// `GET /new/plan`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("plans:write")?;
    page(&AddPlan::new(visit.shell(Section::Plans), &visit.say), 200)
}
