//! Sessions of operators in browsers: stored as SHA-256 of the cookie's value.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

/// A session ends this many seconds after the sign-in, whatever is done in it.
pub const LASTS: i64 = 30 * 24 * 3600;

// Rows read: 2 (session, operator).
const FIND: &str = "
SELECT o.name, s.expires_at FROM sessions AS s JOIN operators AS o ON o.id = s.operator WHERE s.hash = ?1";

/// Who is signed in.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Session {
    /// The operator's name.
    pub name: String,
    /// When the session ends.
    pub expires_at: i64,
}

/// Finds a session by its hash.
#[must_use]
pub fn find(hash: &str) -> Statement {
    Statement::new(FIND).bind(hash)
}

const OPEN: &str = "INSERT INTO sessions (hash, operator, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";

/// Opens a session.
#[must_use]
pub fn open(hash: &str, operator: i64, now: Second) -> Statement {
    Statement::new(OPEN).bind(hash).bind(operator).bind(now).bind(now.plus(LASTS))
}

const END: &str = "DELETE FROM sessions WHERE hash = ?1";

/// Ends a session.
#[must_use]
pub fn end(hash: &str) -> Statement {
    Statement::new(END).bind(hash)
}

// Rows: the table is as small as the number of operators' browsers, so it is scanned.
const FORGET: &str = "DELETE FROM sessions WHERE expires_at <= CAST(?1 AS INTEGER)";

/// Forgets sessions that have ended.
#[must_use]
pub fn forget(now: Second) -> Statement {
    Statement::new(FORGET).bind(now)
}
