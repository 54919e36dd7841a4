//! Gives changed plans to their users.
//!
//! Restartable: whoever has been given a version is not found again, and what was noted of the progress is only shown.

use super::Next;
use crate::http::api::plans::Progress;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};
use crate::store::plan_users::{self, PlanUser};
use crate::store::plans::{self, Gift, Plan};
use crate::{bell, random};

/// Users of one chunk; the JSON of their gifts stays far below the largest parameter.
const CHUNK: u32 = 200;
/// Queries after which no further chunk is begun: one has 7.
const QUERIES: usize = 16;

/// Goes on with the plans that are to be applied, in the order of their names.
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    let all: Vec<Plan> = call.db.all(plans::all()).await?;
    let mut wanted = all.into_iter().filter(|plan| plan.applying == Some(plan.version));
    let Some(plan) = wanted.next() else { return Ok(Next::Regular) };
    let more = wanted.next().is_some();
    let noted: Option<Progress> = job.cursor.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let noted = noted.filter(|noted| noted.plan == plan.name && noted.version == plan.version);
    let begun = Progress { plan: plan.name.clone(), version: plan.version, done: 0 };
    let finished = give(call, &plan, noted.unwrap_or(begun)).await?;
    Ok(if finished && !more { Next::Regular } else { Next::At(call.now) })
}

/// Gives a plan to as many users as one run may; whether all have it.
async fn give(call: &Call, plan: &Plan, mut progress: Progress) -> Result<bool, Failure> {
    let (db, now) = (&call.db, call.now);
    let mut given = false;
    let finished = loop {
        if db.cost().queries > QUERIES {
            break false;
        }
        let users: Vec<PlanUser> = db.all(plan_users::page(plan, CHUNK, 0)).await?;
        if users.is_empty() {
            db.batch(&[plans::applied(plan), jobs::keep("plans", None)]).await?;
            break true;
        }
        let gifts: Vec<Gift<'_>> = users.iter().map(|user| user.gift(plan, now)).collect();
        progress.done = progress.done.saturating_add(u32::try_from(users.len()).unwrap_or(u32::MAX));
        let note = serde_json::to_string(&progress).map_err(|error| Failure::Broken(format!("progress: {error}")))?;
        let mut batch = plans::give(&gifts, random::salt()?, now);
        batch.push(jobs::keep("plans", Some(&note)));
        db.batch(&batch).await?;
        given = true;
    };
    if given {
        bell::ring(&call.env).await;
    }
    Ok(finished)
}
