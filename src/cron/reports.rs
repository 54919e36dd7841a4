//! Reports of clients: adds up what came in.

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};
use crate::store::xpert_stats::{self as store, Waiting};

/// So many waiting rows are added up at once. Fewer wait for the full hour: a client reports the same row again and again,
/// and each time that it is moved costs two rows.
const MANY: u32 = 1_000;

/// Rows read: 1 per row that waits, 1,000 at most. The hour of the last run that added up is noted: a job's runs keep no hours.
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    let hour = call.now.hour().get().to_string();
    if job.cursor.as_deref() != Some(&hour) || waiting(call).await? >= MANY {
        let mut batch = Vec::from(store::fold());
        batch.push(jobs::keep(&job.name, Some(&hour)));
        call.db.batch(&batch).await?;
    }
    Ok(Next::Regular)
}

async fn waiting(call: &Call) -> Result<u32, Failure> {
    let row: Option<Waiting> = call.db.first(store::waiting(MANY)).await?;
    Ok(row.map_or(0, |row| row.waiting))
}
