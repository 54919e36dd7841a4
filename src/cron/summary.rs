//! The count of the hour for the dashboard.

use crate::domain::history::{Range, Row, Span, buckets};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::history::rows;
use crate::store::charts::{self, Whose};
use crate::store::settings;
use crate::store::summary::{self, AllBytes, Most, Summary};

/// Days of the chart.
const DAYS: u32 = 30;

/// Counts unless it was done in this hour. Rows read then: 1.
pub(super) async fn count_hourly(call: &Call) -> Result<(), Failure> {
    let last: Option<settings::Row> = call.db.first(summary::read()).await?;
    let last = last.and_then(|row| serde_json::from_str::<Summary>(&row.value).ok());
    // One that cannot be read is of another version; one from the future, of a clock that was set back.
    if last.is_some_and(|last| last.at.hour() == call.now.hour()) { Ok(()) } else { count(call).await }
}

/// Rows read: 1 per user, 1 per ledger, 1 per node, and 2 per node for each of its hours and days of 30: with 10,000 users and one
/// node some 250,000 a day, 5 % of what the free plan allows. Written: 1. Queries: 5.
async fn count(call: &Call) -> Result<(), Failure> {
    let range = Range::new(Span::Day, None, None, call.now, DAYS)
        .map_err(|(field, rule)| Failure::Broken(format!("the count of the hour: {field}: {rule}")))?;
    let mut batch = vec![summary::bytes(), summary::most(call.now)];
    batch.extend(charts::read(Whose::All, false, range));
    let outcomes = call.db.batch(&batch).await?;
    let [bytes, most, tables @ ..] = outcomes.as_slice() else {
        return Err(Failure::Broken("the count of the hour gave other".into()));
    };
    let counted = Summary {
        at: call.now,
        bytes: bytes.rows::<AllBytes>()?.pop().unwrap_or_default().bytes,
        days: buckets(Span::Day, rows(tables)?).into_iter().map(|day| Row(day.start, None, day.up, day.down)).collect(),
        top: most.rows::<Most>()?.into_iter().map(|most| most.user).collect(),
    };
    call.db.run(summary::write(&counted)).await?;
    Ok(())
}
