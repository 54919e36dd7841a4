//! What the operator set in the panel about traffic through other servers.

use serde::Deserialize;

use super::Statement;

// Rows read: 1.
const READ: &str = "SELECT settings FROM xpert_state WHERE id = 1";
// Rows: 1 read, 1 written.
const WRITE: &str = "UPDATE xpert_state SET settings = ?1 WHERE id = 1";

/// What [`read`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// JSON of [`crate::domain::xpert::settings::Stored`].
    pub settings: String,
}

/// The stored settings.
#[must_use]
pub fn read() -> Statement {
    Statement::new(READ)
}

/// Stores settings.
#[must_use]
pub fn write(settings: &str) -> Statement {
    Statement::new(WRITE).bind(settings)
}
