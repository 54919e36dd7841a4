//! Reports of clients: adds up what came in, and forgets what the operator does not keep.

use weir_wire::Second;

use crate::domain::xpert::figures::day;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::upkeep;
use crate::store::xpert_stats::{self as store, Waiting};

/// Seconds between two runs.
const EVERY: i64 = 300;
/// So many waiting rows are added up at once. Fewer wait for the full hour: a client reports the same row again and again,
/// and each time that it is moved costs two rows.
const MANY: u32 = 1_000;

/// Does what is due at the call's instant.
pub(super) async fn run(call: &Call) -> Result<(), Failure> {
    if began(call.now, call.now.hour()) || waiting(call).await? >= MANY {
        call.db.batch(&store::fold()).await?;
    }
    if began(call.now, Second::clamped(day(call.now) * 86_400)) {
        upkeep::retain(call).await?;
    }
    Ok(())
}

/// Whether `since` began after the last run.
fn began(now: Second, since: Second) -> bool {
    now.since(since) < EVERY
}

async fn waiting(call: &Call) -> Result<u32, Failure> {
    let row: Option<Waiting> = call.db.first(store::waiting(MANY)).await?;
    Ok(row.map_or(0, |row| row.waiting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_of_each_hour_and_one_of_each_day_finds_that_it_began() {
        let midnight = 1_799_971_200;
        // The trigger's minutes: 2, 7, 12, ...
        let runs = (0..288).map(|run| Second::clamped(midnight + 120 + run * 300));
        let hours = runs.clone().filter(|now| began(*now, now.hour())).count();
        let days = runs.filter(|now| began(*now, Second::clamped(day(*now) * 86_400))).count();
        assert_eq!((hours, days), (24, 1));
    }
}
