//! Fetches the subscriptions of others when they are due.
//!
//! Restartable: a fetch notes that it was begun before anything can go wrong, so one that is cut off (an answer that takes more
//! CPU than a run has) is not the first of the next run again, and the list is published whenever it is behind the sources.

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::sources;

/// Sources of one run: each takes up to 12 requests (three redirects, two questions about each name), of the 50 that a run of
/// the free plan has for all jobs.
const MOST: usize = 2;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// Fetches the sources that are due, and says when the next one is.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    sources::fetch_due(call, MOST).await?;
    let next = sources::next_due(call).await?;
    // A wait of more than a day would look like that of a clock that was set back.
    Ok(next.map_or(Next::Regular, |at| Next::At(at.max(call.now.plus(1)).min(call.now.plus(DAY)))))
}
