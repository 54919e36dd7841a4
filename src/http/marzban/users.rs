//! To be written.

use worker::{Request, Response};

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::MarzbanUsers;

/// Answers what is asked of many users.
pub(super) async fn answer(_request: &Request, _call: &Call, _route: MarzbanUsers) -> Result<Response, Failure> {
    Err(Failure::NotFound("page"))
}
