//! A user's own ways in, as the lists of all faces have them.

use weir_wire::Second;
use weir_wire::credential::Credentials;

use super::call::Call;
use super::failure::Failure;
use crate::domain::credentials::of_slot;
use crate::domain::endpoint::{Bearer, Endpoint, NodeWays, of_nodes};
use crate::domain::marzban::choice::Choice;
use crate::domain::remark::Account;
use crate::domain::user::Standing;
use crate::store::users::User;

/// What a user proves himself with, set by hand or derived.
pub(super) fn credentials(call: &Call, user: &User) -> Result<Credentials, Failure> {
    let key = user.credentials.as_ref().map(|_| call.secret("CREDENTIAL_KEY")).transpose()?;
    Ok(of_slot(&call.secret("SLOT_KEY")?, key.as_deref(), &user.slot, user.credentials.as_deref()))
}

/// What the nodes offer, of the JSON that is stored of them.
pub(super) fn nodes(endpoints: &str) -> Result<Vec<NodeWays>, Failure> {
    serde_json::from_str(endpoints).map_err(|error| Failure::Broken(format!("endpoints: {error}")))
}

/// The ways in of a user. `endpoints` is a JSON list of [`NodeWays`]; `standing` is his, as it is now.
pub(super) fn own(call: &Call, user: &User, standing: &Standing, endpoints: &str) -> Result<Vec<Endpoint>, Failure> {
    Ok(of(call, user, standing, &nodes(endpoints)?, &credentials(call, user)?))
}

/// The same of nodes that were read before: those ways that were chosen for him, if any were.
pub(super) fn of(
    call: &Call,
    user: &User,
    standing: &Standing,
    nodes: &[NodeWays],
    credentials: &Credentials,
) -> Vec<Endpoint> {
    let choice = Choice::stored(user.marzban.as_deref());
    let nodes = Choice::narrow(choice.as_ref(), nodes);
    let end = Second::clamped(user.period_end);
    let account = Account {
        name: &user.name,
        plan: user.plan.as_deref(),
        standing,
        next_reset: (end < Second::LAST).then_some(end),
        zone: user.cycle.zone,
        now: call.now,
    };
    of_nodes(&nodes, &Bearer { slot: &user.slot, credentials, account })
}
