//! Users as Marzban's API shows them: with their owners.

use serde::Deserialize;

use super::Statement;
use super::users::User;
use crate::domain::role::Role;

/// A user and the operator whose user he is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// His owner's name; none for the panel's own users.
    pub owner_name: Option<String>,
    /// What his owner is.
    pub owner_role: Option<Role>,
    /// His owner's account at Telegram.
    pub owner_telegram_id: Option<i64>,
    /// Where his owner wants to be told of things.
    pub owner_discord_webhook: Option<String>,
}

/// A user with his owner, as an SQL statement without its conditions. The subquery only gives the columns other names.
macro_rules! seen {
    ($more:literal) => {
        concat!(
            $crate::store::users::columns!(),
            ", owner_name, owner_role, owner_telegram_id, owner_discord_webhook",
            $more,
            "
FROM users JOIN usage AS u ON u.user = users.id
  LEFT JOIN (SELECT id AS owner_id, name AS owner_name, role AS owner_role, telegram_id AS owner_telegram_id,
    discord_webhook AS owner_discord_webhook FROM operators) ON owner_id = users.owner "
        )
    };
}

pub(super) use seen;

// Rows read: 4 (user, usage, owner, state).
const BY_NAME: &str = concat!(
    seen!(", (SELECT endpoints FROM subscription_state WHERE id = 1) AS endpoints"),
    "WHERE users.name = ?1 COLLATE NOCASE AND users.deleted_at IS NULL"
);

/// What [`by_name`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// The user.
    #[serde(flatten)]
    pub seen: Seen,
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub endpoints: String,
}

/// Finds a user by name, without case.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

// Rows read: 1.
const ENDPOINTS: &str = "SELECT endpoints FROM subscription_state WHERE id = 1";

/// What [`endpoints`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Endpoints {
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub endpoints: String,
}

/// What the nodes offer.
#[must_use]
pub const fn endpoints() -> Statement {
    Statement::new(ENDPOINTS)
}
