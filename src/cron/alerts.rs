//! Alerts that time alone causes: accounts that expire soon, nodes that fall silent and come back, jobs that fail.

use weir_wire::Second;

use super::{Next, summary};
use crate::domain::notice::settings::Alerts;
use crate::http::api::settings;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::alerts;
use crate::store::jobs::{self, Job};

/// Rows read: 2, 4 per node, 1 per job that exists, and 2 per account whose expiry came near since the last run. That run's
/// instant is noted, so that a missed one is caught up. The first run of an hour counts what the dashboard shows ([`summary`]).
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    let settings: Alerts = settings::read(call).await?;
    let now = call.now;
    // Without a last look everybody within the threshold is new; of a clock that was set back nothing is known.
    let last = job.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).map_or(Second::EPOCH, Second::clamped);
    let last = if last > now { now } else { last };
    let mut batch = vec![alerts::expiring(&settings.expiring_days, last, now), alerts::jobs(now)];
    batch.extend(alerts::nodes(now.plus(-60 * i64::from(settings.silent_minutes)), now));
    batch.push(jobs::keep(&job.name, Some(&now.get().to_string())));
    call.db.batch(&batch).await?;
    summary::count_hourly(call).await?;
    Ok(Next::Regular)
}
