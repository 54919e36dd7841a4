//! The pool of vacant slots is kept full, so that a new user needs no reload.

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::slots::refill;

/// Rows read: at most half a pool; 3 written per slot made.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    refill(call).await?;
    Ok(Next::Regular)
}
