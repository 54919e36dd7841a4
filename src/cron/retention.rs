//! Forgets what the operator does not keep.

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::xpert::upkeep;

/// Clients' reports and fetches of subscriptions.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    upkeep::retain(call).await?;
    Ok(Next::Regular)
}
