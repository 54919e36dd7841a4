//! Texts that stand for a user's subscription token beside it, such as the strings of an old panel. They end when he is deleted and when his link is
//! revoked, by triggers.

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::Statement;

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Alias {
    /// The text.
    pub alias: String,
    /// When it was given.
    pub created_at: i64,
}

/// Whose an alias is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Holder {
    /// The user.
    pub user: i64,
}

// Rows: 2 written (row, index of users).
const ADD: &str = "INSERT INTO aliases (alias, user, created_at) VALUES (?1, ?2, CAST(?3 AS INTEGER))";

// Rows: 2 written per alias (row, index of users).
const REMOVE: &str = "DELETE FROM aliases WHERE user = ?1 AND alias = coalesce(?2, alias)";

// Rows read: 2 per alias (index, row).
const OF_USER: &str = "SELECT alias, created_at FROM aliases WHERE user = ?1 ORDER BY alias";

// Rows read: 1.
const HOLDER: &str = "SELECT user FROM aliases WHERE alias = ?1";

/// Gives a user an alias; fails as taken when somebody has it.
#[must_use]
pub fn add(user: i64, alias: &str, now: Second) -> Statement {
    Statement::new(ADD).bind(alias).bind(user).bind(now)
}

/// Takes an alias from a user, or all of them.
#[must_use]
pub fn remove(user: i64, alias: Option<&str>) -> Statement {
    Statement::new(REMOVE).bind(user).bind(alias)
}

/// A user's aliases in their order.
#[must_use]
pub fn of_user(user: i64) -> Statement {
    Statement::new(OF_USER).bind(user)
}

/// Whose an alias is; no row if it is nobody's.
#[must_use]
pub fn holder(alias: &str) -> Statement {
    Statement::new(HOLDER).bind(alias)
}
