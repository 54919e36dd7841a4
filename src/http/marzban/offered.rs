//! What nodes offer, for the handlers of this face.

use crate::domain::endpoint::NodeWays;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::ways;
use crate::store::marzban_users::{self, Endpoints};

/// All nodes whose agents have told inbounds. Rows read: 1.
pub(super) async fn nodes(call: &Call) -> Result<Vec<NodeWays>, Failure> {
    let row: Option<Endpoints> = call.db.first(marzban_users::endpoints()).await?;
    row.map_or_else(|| Ok(Vec::new()), |row| ways::nodes(&row.endpoints))
}
