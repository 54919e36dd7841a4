//! Operators, and the counting of failed sign-ins.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

/// So many failed sign-ins in a row lock a name.
pub const FAILURES: u32 = 10;
/// Seconds after the last failure for which it stays locked, and after which failures are forgotten.
pub const LOCKED_FOR: i64 = 900;

// Counts an attempt before its password is looked at, so that attempts made at the same instant are counted too. A
// locked name is not counted on and returns no row. Rows: 1 read, 1 written.
const ATTEMPT: &str = "
INSERT INTO sign_ins (bucket, failures, last_at) VALUES (?1, 1, ?2)
ON CONFLICT (bucket) DO UPDATE SET last_at = excluded.last_at,
  failures = CASE WHEN last_at <= excluded.last_at - CAST(?4 AS INTEGER) THEN 1 ELSE failures + 1 END
WHERE failures < CAST(?3 AS INTEGER) OR last_at <= excluded.last_at - CAST(?4 AS INTEGER)
RETURNING failures";

/// What [`attempt`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts in a row without a good one, this one included.
    pub failures: u32,
}

/// Counts an attempt to sign in. No row comes back while the name is locked.
#[must_use]
pub fn attempt(bucket: u16, now: Second) -> Statement {
    Statement::new(ATTEMPT).bind(u32::from(bucket)).bind(now).bind(FAILURES).bind(LOCKED_FOR)
}

// Rows read: 2, whether the name exists or not.
const FIND: &str = "
SELECT s.last_at, o.id, o.password_hash FROM sign_ins AS s LEFT JOIN operators AS o ON o.name = ?2 WHERE s.bucket = ?1";

/// What a sign-in is checked against.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Candidate {
    /// When the last attempt was counted.
    pub last_at: i64,
    /// The operator, if there is one of this name.
    pub id: Option<i64>,
    /// SHA-256 of his password, in hex.
    pub password_hash: Option<String>,
}

/// Finds the operator of a name; after [`attempt`].
#[must_use]
pub fn find(bucket: u16, name: &str) -> Statement {
    Statement::new(FIND).bind(u32::from(bucket)).bind(name)
}

const FORGIVE: &str = "DELETE FROM sign_ins WHERE bucket = ?1";

/// Forgets failed attempts after a good one.
#[must_use]
pub fn forgive(bucket: u16) -> Statement {
    Statement::new(FORGIVE).bind(u32::from(bucket))
}
