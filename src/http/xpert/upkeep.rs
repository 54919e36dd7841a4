//! How much is stored, and forgetting it.

use serde_json::json;
use worker::{Request, Response};

use super::{STATS, WRITE, days, settings, variables};
use crate::domain::audit::{Entry, Facts};
use crate::domain::xpert::figures::{first_day, gigabytes};
use crate::http::audit::{Deed, recorded};

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::marzban::authorize;
use crate::store::d1::Db;
use crate::store::fetch_log;
use crate::store::xpert_stats::{self as store, AllRow};

/// Statements of one run that delete rows; what is left over goes with the next one.
const RUNS: usize = 36;

/// `POST /api/xpert/traffic-stats/cleanup?days=`
///
/// Keeps today and the days before, `days` in all; without `days` those of the retention setting.
pub(super) async fn cleanup(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let days = match days(request)? {
        Some(days) => days,
        None => match settings::read(call).await?.retention_days {
            0 => return Err(Failure::invalid("days", "it is missing, and the retention setting keeps everything")),
            days => days,
        },
    };
    let prepare = async || {
        let entry = Entry::new("traffic.cleanup", "traffic-stats").after(Facts::new().plain("days_kept", days));
        // What is deleted may take many batches. The row comes with the first: from then on some may be gone.
        Ok(Deed::new(entry, store::fold(), ()))
    };
    recorded(call, &actor, prepare).await?;
    let deleted = forget(&call.db, first_day(call.now, days)).await?;
    Ok(Response::from_json(&json!({ "status": "success", "deleted_rows": deleted, "cleanup_days": days }))?)
}

/// Deletes what was reported before `first_day` and has been added to the sums; returns how many rows that were.
async fn forget(db: &Db, first_day: i64) -> Result<usize, Failure> {
    let most = usize::try_from(store::FORGET).unwrap_or(usize::MAX);
    let mut deleted = 0_usize;
    for _ in 0..RUNS {
        let gone = db.run(store::forget_rows(first_day)).await?.changes();
        deleted = deleted.saturating_add(gone);
        if gone < most {
            // The sums go last: until then they say what is still stored.
            db.batch(&store::forget_sums(first_day)).await?;
            break;
        }
    }
    Ok(deleted)
}

/// Deletes what the retention settings do not keep.
pub(crate) async fn retain(call: &Call) -> Result<(), Failure> {
    let settings = settings::read(call).await?;
    call.db.run(fetch_log::forget(call.now.plus(-i64::from(settings.fetch_log_days) * 86_400))).await?;
    match settings.retention_days {
        0 => Ok(()),
        days => {
            call.db.batch(&store::fold()).await?;
            forget(&call.db, first_day(call.now, days)).await.map(drop)
        }
    }
}

/// `GET /api/xpert/traffic-stats/database/info`
pub(super) async fn info(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, STATS).await?;
    let settings = settings::read(call).await?;
    let outcome = call.db.run(store::of_all(0)).await?;
    let row: Option<AllRow> = outcome.rows()?.pop();
    let row = row.ok_or_else(|| Failure::Broken("a sum gave no row".into()))?;
    // Thousandths of a GiB of 1,024 times the bytes are thousandths of a MiB.
    let size = u64::try_from(outcome.size()).unwrap_or(u64::MAX).saturating_mul(1_024);
    Ok(Response::from_json(&json!({
        "database_path": format!("d1:{}", variables::database_name(&call.env)),
        "total_records": row.day_rows,
        "unique_users": row.users,
        "unique_servers": row.servers,
        "database_size_mb": gigabytes(size),
        "retention_days": settings.retention_days,
    }))?)
}
