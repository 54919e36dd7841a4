//! Forgets what the operator does not keep.

use super::Next;
use crate::domain::notice::settings::Alerts;
use crate::domain::sharing::Sharing;
use crate::http::api::settings;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::upkeep;
use crate::store::addresses;
use crate::store::bulk;
use crate::store::events;

/// Clients' reports, fetches of subscriptions, events with their deliveries, and what was done to many users at once.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    upkeep::retain(call).await?;
    forget_sharing(call).await?;
    let keep: Alerts = settings::read(call).await?;
    call.db.batch(&bulk::forget(call.now.plus(-86_400 * i64::from(keep.keep_days.max(2))))).await?;
    let outcomes = call.db.batch(&events::forget(call.now.plus(-86_400 * i64::from(keep.keep_days)))).await?;
    let most = usize::try_from(events::FORGET).unwrap_or(usize::MAX);
    // There may be more than one run deletes.
    let again = outcomes.last().is_some_and(|outcome| outcome.changes() >= most);
    Ok(if again { Next::At(call.now) } else { Next::Regular })
}

/// Suspicious activity, and where users were who have not been seen for a day.
async fn forget_sharing(call: &Call) -> Result<(), Failure> {
    let kept: Sharing = settings::read(call).await?;
    let since = call.now.plus(-i64::from(kept.keep_days) * 86_400);
    call.db.batch(&addresses::forget(since, call.now)).await?;
    Ok(())
}
