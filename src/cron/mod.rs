//! Jobs that run by the clock: one file each.
//!
//! One trigger a minute looks in the table `jobs` which of them are due. A job is restartable and idempotent: a run that is cut off
//! anywhere (the free plan ends one after 10 ms of CPU) is repeated, and nothing that it did counts twice. Work that is too much for
//! one run is done in chunks, and [`Next::At`] asks for the run that goes on.

mod alerts;
mod backup;
mod bulk;
mod outbox;
mod packages;
mod plans;
mod pool;
mod report;
mod reports;
mod retention;
mod rollup;
mod sources;
mod summary;
mod sweep;

use weir_wire::Second;
use worker::{Env, console_error, console_log};

use crate::domain::schedule::Schedule;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::store::d1::Cost;
use crate::store::jobs::{self, Ending, Job, Outcome};
use crate::{clock, random, spending};

/// The trigger of `wrangler.toml`.
const TRIGGER: &str = "* * * * *";
/// Queries after which no further job is begun: the free plan has 50 a run, and no job uses more than half of them.
const QUERIES: usize = 24;

/// When a job wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// By its schedule.
    Regular,
    /// Then, or by its schedule if that is sooner.
    At(Second),
    /// The same, because another run may still go on, or was cut off: nobody knows how that one ended.
    Waits(Second),
}

/// Runs the jobs that are due. `trigger` is the string of `wrangler.toml`.
pub(crate) async fn run(trigger: &str, env: &Env) {
    let outcome = if trigger == TRIGGER {
        run_due(env).await
    } else {
        Err(Failure::Broken("no job answers this trigger".into()))
    };
    if let Err(failure) = outcome {
        console_error!("jobs failed trigger={trigger} error={failure:?}");
    }
}

/// Rows read: 1 per job that exists; written: 2 per job that is due.
async fn run_due(env: &Env) -> Result<(), Failure> {
    let looking = Call::new(env.clone())?;
    let due: Vec<Job> = looking.db.all(jobs::due(looking.now)).await?;
    spending::add_request(looking.db.cost());
    let mut queries = looking.db.cost().queries;
    for job in due {
        if queries > QUERIES {
            break;
        }
        let call = Call::new(env.clone())?;
        let outcome = run_one(&call, &job).await;
        spending::add_job(call.db.cost());
        outcome?;
        queries += call.db.cost().queries;
    }
    Ok(())
}

async fn run_one(call: &Call, job: &Job) -> Result<(), Failure> {
    let retry = Schedule::retry(job.failures, call.now);
    if call.db.run(jobs::begin(job, call.now, retry)).await?.changes() == 0 {
        return Ok(());
    }
    let began = clock::millis();
    let result = dispatch(call, job).await;
    let regular = schedule(&job.name).after(call.now, settings::zone(&call.env));
    let error;
    let (next, outcome) = match result {
        Ok(Next::Regular) => (regular, Outcome::Done),
        Ok(Next::At(at)) => (at.min(regular), Outcome::Done),
        Ok(Next::Waits(at)) => (at.min(regular), Outcome::Waits),
        Err(failure) => {
            error = explain(&job.name, &failure);
            (retry, Outcome::Failed(&error))
        }
    };
    let cost = call.db.cost();
    let ending = Ending { lasted_ms: clock::millis().saturating_sub(began), cost, outcome, retry, next };
    call.db.run(jobs::end(&job.name, clock::now(), &ending)).await?;
    show_cost(call, &job.name, cost);
    Ok(())
}

async fn dispatch(call: &Call, job: &Job) -> Result<Next, Failure> {
    match job.name.as_str() {
        "backup" => backup::run(call, job).await,
        "bulk" => bulk::run(call).await,
        "packages" => packages::run(call).await,
        "alerts" => alerts::run(call, job).await,
        "outbox" => outbox::run(call).await,
        "plans" => plans::run(call, job).await,
        "pool" => pool::run(call).await,
        "report" => report::run(call, job).await,
        "reports" => reports::run(call, job).await,
        "retention" => retention::run(call).await,
        "rollup" => rollup::run(call, job).await,
        "sources" => sources::run(call).await,
        "sweep" => sweep::run(call).await,
        other => Err(Failure::Broken(format!("there is no job {other}"))),
    }
}

/// How often each job runs, unless it says itself when it runs again. What costs most runs when few people are awake.
fn schedule(job: &str) -> Schedule {
    match job {
        // It says itself which hour it waits for.
        "backup" => Schedule::Daily(0),
        "retention" => Schedule::Daily(3 * 3_600),
        "rollup" => Schedule::Daily(2 * 3_600),
        "packages" => Schedule::Daily(4 * 3_600),
        "bulk" | "outbox" | "report" | "sources" => Schedule::Called,
        _ => Schedule::Every(300),
    }
}

/// What the operator is shown of a failure; the rest is logged under an id.
fn explain(job: &str, failure: &Failure) -> String {
    let (_, _, sentence) = failure.describe();
    let Some(internal) = failure.internal() else { return sentence };
    let id = random::bytes::<8>().map(hex::encode).unwrap_or_default();
    console_error!("job failed id={id} job={job} error={internal}");
    format!("{sentence} (log id {id})")
}

fn show_cost(call: &Call, job: &str, cost: Cost) {
    if call.env.var("WEIR_SHOW_COST").is_ok() {
        console_log!("job done job={job} queries={} read={} written={}", cost.queries, cost.read, cost.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_is_the_only_one_of_wrangler_toml() {
        let toml = include_str!("../../wrangler.toml");
        assert!(toml.contains(&format!("crons = [\"{TRIGGER}\"]")));
    }
}
