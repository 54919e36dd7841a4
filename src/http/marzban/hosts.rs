//! To be written.

use worker::{Request, Response};

use crate::http::call::Call;
use crate::http::failure::Failure;

/// `GET /api/hosts`
pub(super) async fn show(_request: &Request, _call: &Call) -> Result<Response, Failure> {
    Err(Failure::NotFound("page"))
}

/// `PUT /api/hosts`
pub(super) async fn change(_request: Request, _call: &Call) -> Result<Response, Failure> {
    Err(Failure::NotFound("page"))
}
