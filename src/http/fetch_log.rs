//! Entering a fetch of a subscription into the log.

use worker::{Method, Request};

use super::call::Call;
use super::failure::Failure;
use crate::domain::fetch::{Fetch, family, is_news};
use crate::store::fetch_log::{self, Row};

/// Enters the first fetch of a (user, hour, client family). `logged` is what the hour's row holds. HEAD fetches nothing.
///
/// Rows written: 1 if it is the first, otherwise none and no query.
pub(crate) async fn note(
    request: &Request,
    call: &Call,
    user: i64,
    format: &str,
    logged: Option<&str>,
) -> Result<(), Failure> {
    let family = family(&request.headers().get("user-agent")?.unwrap_or_default());
    if request.method() == Method::Get && is_news(logged, &family) {
        let fetch = Fetch(family, format.to_owned(), call.now.get());
        call.db.run(fetch_log::note(user, &fetch, call.now)).await?;
    }
    Ok(())
}

/// The fetches of an hour, the newest first.
pub(crate) fn fetches(row: &Row) -> Result<Vec<Fetch>, Failure> {
    let mut entries: Vec<Fetch> =
        serde_json::from_str(&row.entries).map_err(|error| Failure::Broken(format!("fetch log: {error}")))?;
    entries.sort_by_key(|entry| core::cmp::Reverse(entry.2));
    Ok(entries)
}
