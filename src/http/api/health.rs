//! Whether the panel works.

use serde::Serialize;
use worker::Response;

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::slots;

/// What a monitor reads.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /health`
///
/// 200 while database and secrets are there, 503 with the reason otherwise. Rows read: at most 34.
pub(crate) async fn health(call: &Call) -> Result<Response, Failure> {
    call.secret("SLOT_KEY")?;
    call.secret("AUTH_KEY")?;
    let found: Option<slots::Vacancy> = call.db.first(slots::vacancy()).await?;
    found.ok_or(Failure::Unconfigured("the database: apply the migrations, it"))?;
    Ok(Response::from_json(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })?)
}
