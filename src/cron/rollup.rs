//! The roll-up: hours that are no longer needed as hours become days, days become months.

use super::Next;
use crate::domain::history::kept_since;
use crate::domain::settings::Retention;
use crate::http::api::settings;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::Statement;
use crate::store::jobs::{self, Job};
use crate::store::rollup::{self, Found, Old, ROWS, USERS};

/// Queries of one run at most, and of one chunk of users.
const QUERIES: usize = 24;
const CHUNK: usize = 5;

/// Rows read: 1 a user, and what is folded ([`rollup`]). The cursor is the last user who was looked at; a run that is cut off begins
/// again where the last one that ended stopped, and finds done what was done.
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    let (hours, days) = kept_since(&settings::read::<Retention>(call).await?, call.now);
    let old = Old { hours, days };
    let mut after: Option<i64> = job.cursor.as_deref().and_then(|cursor| cursor.parse().ok());
    call.db.run(rollup::mark(old)).await?;
    if after.is_none() {
        let [hours, days] = [rollup::node_hours(old, ROWS), rollup::node_days(old, ROWS)];
        if !fold(call, &[hours, days]).await? {
            return Ok(Next::At(call.now));
        }
    }
    let mut done = false;
    // One query is left for the cursor.
    while !done && call.db.cost().queries + CHUNK < QUERIES {
        let found: Option<Found> = call.db.first(rollup::find(after.unwrap_or(-1), old, USERS)).await?;
        let Some(Found { last: Some(last), seen, with_hours, with_days }) = found else {
            done = true;
            break;
        };
        let hours = (with_hours != "[]").then(|| rollup::hours(&with_hours, old, ROWS));
        let days = (with_days != "[]").then(|| rollup::days(&with_days, old, ROWS));
        let folds: Vec<_> = hours.into_iter().chain(days).collect();
        // Whose rows were too many for one fold is looked at again.
        if !folds.is_empty() && !fold(call, &folds).await? {
            break;
        }
        after = Some(last);
        done = seen < USERS;
    }
    let cursor = after.filter(|_| !done).map(|user| user.to_string());
    call.db.run(jobs::keep(&job.name, cursor.as_deref())).await?;
    Ok(if done { Next::Regular } else { Next::At(call.now) })
}

/// Folds in one batch, and tells whether nothing was left over.
async fn fold(call: &Call, folds: &[[Statement; 2]]) -> Result<bool, Failure> {
    let most = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let outcomes = call.db.batch(&folds.concat()).await?;
    Ok(outcomes.iter().skip(1).step_by(2).all(|deleted| deleted.changes() < most))
}
