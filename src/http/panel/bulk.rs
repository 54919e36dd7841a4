//! What was done to many users at once.

use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::bulk::{self, Bulk};
use crate::views::panel::{BulkLive, BulkPage, Section};

/// Those that are shown, the newest first.
const SHOWN: u32 = 50;

/// `GET /bulk`, also HEAD
///
/// Queries: 2. Rows read: 2 for the session, and one per bulk change, 50 at most.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("users:read")?;
    let found: Vec<Bulk> = call.db.all(bulk::list(i64::from(u32::MAX), SHOWN)).await?;
    let live = BulkLive::new(&found, &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&BulkPage { shell: visit.shell(Section::Users), live }, 200)
}
