//! Goes on with what is to be done to many users at once, until nothing is left of it.

use super::Next;
use crate::http::bulk::advance;
use crate::http::call::Call;
use crate::http::failure::Failure;

/// One run; see [`advance`].
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    Ok(if advance(call).await? { Next::Regular } else { Next::At(call.now) })
}
