//! Jobs that run by the clock: one file each.

mod sweep;

use worker::{Env, console_error, console_log};

use crate::clock;
use crate::http::failure::Failure;
use crate::store::d1::Db;

/// Runs the jobs of a cron trigger. `schedule` is the exact string of `wrangler.toml`.
pub(crate) async fn run(schedule: &str, env: &Env) {
    let outcome = match schedule {
        "*/5 * * * *" => sweep(env).await,
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
    if env.var("WEIR_SHOW_COST").is_ok() {
        let cost = db.cost();
        console_log!("job done job=sweep queries={} read={} written={}", cost.queries, cost.read, cost.written);
    }
    Ok(())
}
