//! What nodes offer, for the handlers of this face.

use crate::domain::endpoint::NodeWays;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::ways;

/// All nodes whose agents have told inbounds. Rows read: 1.
pub(super) async fn nodes(call: &Call) -> Result<Vec<NodeWays>, Failure> {
    let row: Option<ways::Row> = call.db.first(ways::read()).await?;
    let text = row.map_or_else(|| "[]".to_owned(), |row| row.value);
    serde_json::from_str(&text).map_err(|error| Failure::Broken(format!("endpoints: {error}")))
}
