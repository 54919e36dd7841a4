//! A user's own ways in, as the lists of all faces have them.

use weir_wire::Second;
use weir_wire::credential::SlotSecret;

use super::call::Call;
use super::failure::Failure;
use crate::domain::endpoint::{Bearer, Endpoint, NodeWays, of_nodes};
use crate::domain::remark::Account;
use crate::domain::user::Standing;
use crate::store::users::User;

/// The ways in of a user. `endpoints` is a JSON list of [`NodeWays`]; `standing` is his, as it is now.
pub(super) fn own(call: &Call, user: &User, standing: &Standing, endpoints: &str) -> Result<Vec<Endpoint>, Failure> {
    let nodes: Vec<NodeWays> =
        serde_json::from_str(endpoints).map_err(|error| Failure::Broken(format!("endpoints: {error}")))?;
    let secret = SlotSecret::derive(&call.secret("SLOT_KEY")?, &user.slot);
    let end = Second::clamped(user.period_end);
    let account = Account {
        name: &user.name,
        plan: user.plan.as_deref(),
        standing,
        next_reset: (end < Second::LAST).then_some(end),
        zone: user.cycle.zone,
        now: call.now,
    };
    Ok(of_nodes(&nodes, &Bearer { slot: &user.slot, secret: &secret, account }))
}
