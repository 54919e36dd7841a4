//! To be written.

use worker::{Request, Response};

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::Templates;

/// Answers what is asked of these.
pub(super) async fn answer(_request: Request, _call: &Call, _route: Templates<'_>) -> Result<Response, Failure> {
    Err(Failure::NotFound("page"))
}
