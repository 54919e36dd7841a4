//! The outbox: tells what happened to whoever wants to know.

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::notify::outbox;

/// It runs when an event wakes it, and as long as anything waits. A panel without events has no runs of it.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    Ok(outbox::run(call).await?.map_or(Next::Regular, Next::At))
}
