//! Passkeys of operators, and the challenges that were answered.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use crate::domain::role::Role;

/// Passkeys of one operator at most.
pub const MOST: usize = 20;

/// A passkey as its operator sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Listed {
    /// The credential's id, in base64url.
    pub id: String,
    /// What he calls it.
    pub name: String,
    /// When it was made.
    pub created_at: i64,
    /// When somebody signed in with it last.
    pub last_used_at: Option<i64>,
}

// Rows read: the table is as small as the number of operators' devices, so it is scanned.
const OF_OPERATOR: &str =
    "SELECT id, name, created_at, last_used_at FROM passkeys WHERE operator = ?1 ORDER BY created_at, id LIMIT 100";

/// The passkeys of an operator, the oldest first.
#[must_use]
pub fn of_operator(operator: i64) -> Statement {
    Statement::new(OF_OPERATOR).bind(operator)
}

/// A passkey as a sign-in is checked against it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Passkey {
    /// Whose it is.
    pub operator: i64,
    /// His name.
    pub operator_name: String,
    /// What he is.
    pub role: Role,
    /// What he calls it.
    pub name: String,
    /// The number of the algorithm, of COSE.
    pub algorithm: i32,
    /// The public key as `SubjectPublicKeyInfo`, in base64url.
    pub public_key: String,
    /// How often it had signed.
    pub sign_count: u32,
}

// Rows read: 2 (passkey, operator). A disabled operator's passkeys are none.
const FIND: &str = "
SELECT p.operator, o.name AS operator_name, o.role, p.name, p.algorithm, p.public_key, p.sign_count
FROM passkeys AS p JOIN operators AS o ON o.id = p.operator WHERE p.id = ?1 AND o.disabled_at IS NULL";

/// Finds a passkey by its credential's id.
#[must_use]
pub fn find(id: &str) -> Statement {
    Statement::new(FIND).bind(id)
}

/// What is kept of a new passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New<'a> {
    /// The credential's id, in base64url.
    pub id: &'a str,
    /// Whose it is.
    pub operator: i64,
    /// What he calls it.
    pub name: &'a str,
    /// The number of the algorithm, of COSE.
    pub algorithm: i32,
    /// The public key as `SubjectPublicKeyInfo`, in base64url.
    pub public_key: &'a str,
    /// How often it has signed.
    pub sign_count: u32,
}

// Rows written: 1.
const ADD: &str = "
INSERT INTO passkeys (id, operator, name, algorithm, public_key, sign_count, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Keeps a passkey.
#[must_use]
pub fn add(new: &New<'_>, now: Second) -> Statement {
    let statement = Statement::new(ADD).bind(new.id).bind(new.operator).bind(new.name).bind(i64::from(new.algorithm));
    statement.bind(new.public_key).bind(new.sign_count).bind(now)
}

// Rows: 1 read, 1 written.
const USED: &str = "UPDATE passkeys SET sign_count = ?2, last_used_at = ?3 WHERE id = ?1";

/// Somebody has signed in with a passkey.
#[must_use]
pub fn used(id: &str, sign_count: u32, now: Second) -> Statement {
    Statement::new(USED).bind(id).bind(sign_count).bind(now)
}

// Rows: 1 read, 1 written.
const REMOVE: &str = "DELETE FROM passkeys WHERE id = ?1 AND operator = ?2";

/// Forgets a passkey of an operator.
#[must_use]
pub fn remove(id: &str, operator: i64) -> Statement {
    Statement::new(REMOVE).bind(id).bind(operator)
}

// Rows read: all of the table; written: those of the operator.
const REMOVE_ALL: &str = "DELETE FROM passkeys WHERE operator = ?1";

/// Forgets every passkey of an operator.
#[must_use]
pub fn remove_all(operator: i64) -> Statement {
    Statement::new(REMOVE_ALL).bind(operator)
}

/// A challenge that was answered.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Answered {
    /// When it would have ended.
    pub expires_at: i64,
}

// Rows read: 1.
const IS_ANSWERED: &str = "SELECT expires_at FROM passkey_challenges WHERE hash = ?1";

/// Looks whether a challenge was answered: one row if so.
#[must_use]
pub fn answered(hash: &str) -> Statement {
    Statement::new(IS_ANSWERED).bind(hash)
}

// Rows: 1 written; read and written: those that have ended, of which there are as many as sign-ins in five minutes.
const ANSWER: &str = "INSERT INTO passkey_challenges (hash, expires_at) VALUES (?1, ?2)";
const FORGET: &str = "DELETE FROM passkey_challenges WHERE expires_at <= CAST(?1 AS INTEGER)";

/// Keeps a challenge as answered until it ends by itself, and forgets those that have ended. A second answer fails.
#[must_use]
pub fn answer(hash: &str, expires_at: Second, now: Second) -> [Statement; 2] {
    [Statement::new(FORGET).bind(now), Statement::new(ANSWER).bind(hash).bind(expires_at)]
}

/// The id of a passkey that is known.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Id {
    /// In base64url.
    pub id: String,
}

// Rows read: 1.
const IS_KNOWN: &str = "SELECT id FROM passkeys WHERE id = ?1";

/// Looks whether somebody has a passkey of this id, whoever he is.
#[must_use]
pub fn is_known(id: &str) -> Statement {
    Statement::new(IS_KNOWN).bind(id)
}
