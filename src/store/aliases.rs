//! Texts that stand for a user's subscription token beside it, such as the strings of an old panel.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

// Rows: 3 read, 2 written (row, index of users). No row comes back when there is no such user.
const ADD: &str = "
INSERT INTO aliases (alias, user, created_at)
SELECT ?1, id, CAST(?3 AS INTEGER) FROM users WHERE name = ?2 COLLATE NOCASE AND deleted_at IS NULL
RETURNING alias";

// Rows: 1 written per alias, and its index entry.
const REMOVE: &str = "
DELETE FROM aliases WHERE alias = ?1
  AND user = (SELECT id FROM users WHERE name = ?2 COLLATE NOCASE AND deleted_at IS NULL) RETURNING alias";

const OF_USER: &str = "
SELECT alias FROM aliases WHERE user = (SELECT id FROM users WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL)
ORDER BY alias";

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Alias {
    /// The text.
    pub alias: String,
}

/// Gives a user an alias and returns it; fails as taken when somebody has it.
#[must_use]
pub fn add(alias: &str, user_name: &str, now: Second) -> Statement {
    Statement::new(ADD).bind(alias).bind(user_name).bind(now)
}

/// Takes an alias from a user and returns it.
#[must_use]
pub fn remove(alias: &str, user_name: &str) -> Statement {
    Statement::new(REMOVE).bind(alias).bind(user_name)
}

/// A user's aliases in their order.
#[must_use]
pub fn of_user(user_name: &str) -> Statement {
    Statement::new(OF_USER).bind(user_name)
}
