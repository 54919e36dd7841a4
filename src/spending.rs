//! What the database costs, added up in this instance of the Worker and told to the database now and then.
//!
//! A lower bound: an instance that ends takes with it what it has not told. It tells after an answer was sent, so nobody
//! waits for it, and at most once in so many seconds, so that the count costs next to nothing itself.

use core::cell::Cell;

use worker::{Context, Env};

use crate::clock;
use crate::domain::notice::report::Cost;
use crate::http::call::Call;
use crate::store::d1;
use crate::store::day;

/// Seconds between two times that an instance tells what it spent, unless `COST_SECONDS` says otherwise.
const SECONDS: i64 = 600;

thread_local! {
    static SPENT: Cell<Cost> = const { Cell::new(Cost { requests: 0, queries: 0, rows_read: 0, rows_written: 0 }) };
    /// When this instance last told; 0 before its first call.
    static TOLD_AT: Cell<i64> = const { Cell::new(0) };
}

/// Adds the cost of a request, or of a run of the trigger.
pub(crate) fn add_request(cost: d1::Cost) {
    keep(Cost { requests: 1, ..rows(cost) });
}

/// Adds the cost of a job, which is a part of a run.
pub(crate) fn add_job(cost: d1::Cost) {
    keep(rows(cost));
}

fn rows(cost: d1::Cost) -> Cost {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Cost {
        requests: 0,
        queries: number(cost.queries),
        rows_read: number(cost.read),
        rows_written: number(cost.written),
    }
}

fn keep(more: Cost) {
    SPENT.set(SPENT.get().plus(more));
}

/// Tells, when the answer is on its way and it is time.
pub(crate) fn tell_after(env: &Env, context: &Context) {
    if is_time(env) {
        let env = env.clone();
        context.wait_until(async move { tell(&env).await });
    }
}

/// Tells in a run of the trigger, when it is time.
pub(crate) async fn tell_now(env: &Env) {
    if is_time(env) {
        tell(env).await;
    }
}

/// The first call only starts the clock. It is wound at once, so that no second call tells the same.
fn is_time(env: &Env) -> bool {
    let now = clock::now().get();
    let told = TOLD_AT.get();
    let wait = env.var("COST_SECONDS").ok().and_then(|seconds| seconds.to_string().parse().ok()).unwrap_or(SECONDS);
    let is_time = told > 0 && now.saturating_sub(told) >= wait;
    if is_time || told == 0 || told > now {
        TOLD_AT.set(now);
    }
    is_time
}

async fn tell(env: &Env) {
    let spent = SPENT.replace(Cost::default());
    let day = clock::now().get() / 86_400;
    let told = match Call::new(env.clone()) {
        Ok(call) => call.db.run(day::spend(day, spent)).await.map(|_| call.db.cost()).ok(),
        Err(_) => None,
    };
    // What telling costs is told next time, and so is everything that could not be told.
    keep(told.map_or(spent, rows));
}
