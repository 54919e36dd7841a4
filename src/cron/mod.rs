//! Jobs that run by the clock: one file each.

use worker::{Env, console_error};

/// Runs the jobs of a cron trigger. `schedule` is the exact string of `wrangler.toml`.
pub(crate) async fn run(schedule: &str, env: &Env) {
    let _ = env;
    console_error!("no job for cron trigger schedule={schedule}");
}
