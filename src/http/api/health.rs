//! Whether the panel works.

use serde::Serialize;
use worker::Response;

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::{StoreError, slots};

/// What a monitor reads.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /health`
///
/// 200 while database and secrets are there, 503 with the reason otherwise. Rows read: 2.
pub(crate) async fn health(call: &Call) -> Result<Response, Failure> {
    call.secret("SLOT_KEY")?;
    call.secret("AUTH_KEY")?;
    call.secret("AUDIT_KEY")?;
    let found: Option<slots::Vacancy> = call.db.first(slots::is_vacant()).await.map_err(out_of_order)?;
    found.ok_or(Failure::Unconfigured(MIGRATIONS))?;
    Ok(Response::from_json(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })?)
}

const MIGRATIONS: &str = "the database: apply the migrations, it";

/// Whatever is wrong with the database, the panel is out of order and not this request.
fn out_of_order(error: StoreError) -> Failure {
    match error {
        StoreError::Broken(text) if text.contains("no such table") => Failure::Unconfigured(MIGRATIONS),
        StoreError::Broken(text) => Failure::Busy(text),
        other => other.into(),
    }
}
