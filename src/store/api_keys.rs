//! API keys: stored as SHA-256 of the whole key text, found by it.

use serde::Deserialize;

use super::Statement;

// Rows read: 1.
const FIND: &str = "SELECT name, scopes, expires_at FROM api_keys WHERE hash = ?1";

/// A key, as far as its holder must be known.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ApiKey {
    /// What the operator calls it.
    pub name: String,
    /// Space-separated scopes.
    pub scopes: String,
    /// When it ends.
    pub expires_at: Option<i64>,
}

/// Finds a key by its hash.
#[must_use]
pub fn find(hash: &str) -> Statement {
    Statement::new(FIND).bind(hash)
}
