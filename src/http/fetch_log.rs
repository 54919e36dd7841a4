//! Entering a fetch of a subscription into the log.

use worker::{Method, Request};

use super::call::Call;
use super::failure::Failure;
use crate::domain::fetch::{Fetch, family, is_news};
use crate::store::fetch_log;

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
