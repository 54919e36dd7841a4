//! API keys: stored as SHA-256 of the whole key text, found by it.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

// Rows read: 1.
const FIND: &str = "SELECT name, scopes, expires_at, last_used_at FROM api_keys WHERE hash = ?1";

/// A key, as far as its holder must be known.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ApiKey {
    /// What the operator calls it.
    pub name: String,
    /// Space-separated scopes.
    pub scopes: String,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When it was used last, to [`USED_EVERY`].
    pub last_used_at: Option<i64>,
}

/// Seconds after which another use of a key is noted: a write for every request would cost more than the request.
pub const USED_EVERY: i64 = 3_600;

// Rows: 1 read, 1 written.
const USED: &str = "UPDATE api_keys SET last_used_at = ?2 WHERE hash = ?1";

/// A key was used.
#[must_use]
pub fn used(hash: &str, now: Second) -> Statement {
    Statement::new(USED).bind(hash).bind(now)
}

/// Finds a key by its hash.
#[must_use]
pub fn find(hash: &str) -> Statement {
    Statement::new(FIND).bind(hash)
}

/// A key as an owner sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256 of the key text, in hex.
    pub hash: String,
    /// What the operator calls it.
    pub name: String,
    /// Space-separated scopes.
    pub scopes: String,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When it was used last, to [`USED_EVERY`].
    pub last_used_at: Option<i64>,
}

/// Letters of a key's hash that name it.
pub const ID: usize = 16;

// Rows read: 1 per key, of which there are few.
const ALL: &str = "SELECT hash, name, scopes, created_at, expires_at, last_used_at FROM api_keys ORDER BY created_at, hash LIMIT 1000";

/// Every key, the oldest first.
#[must_use]
pub const fn all() -> Statement {
    Statement::new(ALL)
}

// Rows written: 1.
const CREATE: &str = "INSERT INTO api_keys (hash, name, scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Enters a key.
#[must_use]
pub fn create(key: &Listed) -> Statement {
    let statement = Statement::new(CREATE).bind(key.hash.as_str()).bind(key.name.as_str()).bind(key.scopes.as_str());
    statement.bind(key.created_at).bind(key.expires_at)
}

// Rows: 1 read, 1 written.
const DELETE: &str = "DELETE FROM api_keys WHERE hash = ?1";

/// Ends a key.
#[must_use]
pub fn delete(hash: &str) -> Statement {
    Statement::new(DELETE).bind(hash)
}
