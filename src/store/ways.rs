//! What clients can connect to, on all nodes: the row that every fetch of a subscription reads.

use serde::Deserialize;

use super::Statement;

/// What [`read`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub value: String,
}

// Rows read: 1.
const READ: &str = "SELECT value FROM meta WHERE name = 'endpoints'";

/// The row.
#[must_use]
pub const fn read() -> Statement {
    Statement::new(READ)
}
