//! What a user is shown as.

use weir_wire::Second;

use crate::domain::user::{self, Standing, Status};

/// What a user is shown as. Who is used up is limited, though his time is over too; here the expiry outranks the quotas ([`user::gate`]).
///
/// Lists and counts decide the same in SQL; a test holds the two against each other.
#[must_use]
pub fn status(standing: &Standing, now: Second) -> Status {
    match user::status(standing, now) {
        Status::Expired if standing.used_up().is_some() => Status::Limited,
        status => status,
    }
}
