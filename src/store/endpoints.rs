//! What clients can connect to, on all live nodes: one row, kept by the trigger `nodes_endpoints`.

use serde::Deserialize;

use super::Statement;

// Rows read: 1.
const ALL: &str = "SELECT value AS endpoints FROM meta WHERE name = 'endpoints'";

/// What [`all`] returns.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Row {
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub endpoints: String,
}

/// All of them.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}
