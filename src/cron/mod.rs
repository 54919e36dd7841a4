//! Jobs that run by the clock: one file each.

mod reports;
mod sweep;

use worker::{Env, console_error, console_log};

use crate::clock;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Db;

/// Runs the jobs of a cron trigger. `schedule` is the exact string of `wrangler.toml`.
pub(crate) async fn run(schedule: &str, env: &Env) {
    let outcome = match schedule {
        "*/5 * * * *" => sweep(env).await,
        "2-59/5 * * * *" => reports(env).await,
        _ => Err(Failure::Broken("no job answers this trigger".into())),
    };
    if let Err(failure) = outcome {
        console_error!("job failed schedule={schedule} error={failure:?}");
    }
}

async fn sweep(env: &Env) -> Result<(), Failure> {
    let db = Db::new(env.d1("DB").map_err(|_| Failure::Unconfigured("the database binding DB"))?);
    if sweep::sweep(&db, clock::now()).await? {
        crate::bell::ring(env).await;
    }
    show_cost(env, "sweep", &db);
    Ok(())
}

async fn reports(env: &Env) -> Result<(), Failure> {
    let call = Call::new(env.clone())?;
    reports::run(&call).await?;
    show_cost(env, "reports", &call.db);
    Ok(())
}

fn show_cost(env: &Env, job: &str, db: &Db) {
    if env.var("WEIR_SHOW_COST").is_ok() {
        let cost = db.cost();
        console_log!("job done job={job} queries={} read={} written={}", cost.queries, cost.read, cost.written);
    }
}
