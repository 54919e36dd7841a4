//! Users as Marzban's API shows them: with their owners.

use std::sync::LazyLock;

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use super::fetch_log::newest_of_user;
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
    /// JSON list of the [`crate::domain::fetch::Fetch`]es of the newest hour in which he fetched his subscription.
    #[serde(default)]
    pub fetched: Option<String>,
}

/// A user with his owner, as an SQL statement without its conditions. The subquery only gives the columns other names.
macro_rules! seen {
    ($more:literal) => {
        concat!(
            $crate::store::users::columns!(),
            ", owner_name, owner_role, owner_telegram_id",
            $more,
            "
FROM users JOIN usage AS u ON u.user = users.id
  LEFT JOIN (SELECT id AS owner_id, name AS owner_name, role AS owner_role, telegram_id AS owner_telegram_id
    FROM operators) ON owner_id = users.owner "
        )
    };
}

pub(super) use seen;

/// What a row of `users` with its usage row `u` is shown as at second `?1`, as an SQL expression; the rule of
/// [`crate::domain::marzban::status::status`].
macro_rules! status_at_marzban {
    () => {
        $crate::store::user_list::status_of_user!(concat!(
            "iif(",
            $crate::store::slots::gate_of_usage!("iif(u.period_end <= CAST(?1 AS INTEGER), 0, u.month)"),
            " = 'open', 'expired', 'limited')"
        ))
    };
}

pub(super) use status_at_marzban;

// Rows read: 5 (user, usage, owner, state, log of fetches).
static BY_NAME: LazyLock<String> = LazyLock::new(|| {
    let fetched = newest_of_user("?2");
    let seen = seen!(", (SELECT endpoints FROM subscription_state WHERE id = 1) AS endpoints, # AS fetched");
    seen.replace('#', &fetched) + "WHERE users.name = ?1 COLLATE NOCASE AND users.deleted_at IS NULL"
});

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
pub fn by_name(name: &str, now: Second) -> Statement {
    Statement::new(&BY_NAME).bind(name).bind(now)
}

// Rows read: 1, and 4 per user (user, usage, owner, log of fetches).
static BY_NUMBERS: LazyLock<String> = LazyLock::new(|| {
    let seen = seen!(", # AS fetched").replace('#', &newest_of_user("?2"));
    seen + "WHERE users.id IN (SELECT value FROM json_each(?1)) AND users.deleted_at IS NULL"
});

/// The users of these numbers who are not deleted.
#[must_use]
pub fn by_numbers(ids: &[i64], now: Second) -> Statement {
    Statement::new(&BY_NUMBERS).bind_json(&ids).bind(now)
}

// Rows read: the operators up to the first owner.
const FIRST_OWNER: &str = "SELECT name FROM operators WHERE role = 'owner' AND disabled_at IS NULL ORDER BY id LIMIT 1";

/// The name of the first of those who own the panel.
#[must_use]
pub const fn first_owner() -> Statement {
    Statement::new(FIRST_OWNER)
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
