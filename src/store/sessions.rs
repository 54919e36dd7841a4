//! Sessions of operators in browsers: stored as SHA-256 of the cookie's value.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use crate::domain::role::Role;

/// A session ends this many seconds after the sign-in, whatever is done in it.
pub const LASTS: i64 = 30 * 24 * 3600;
/// Letters of a session's hash that name it. The hash opens nothing: a browser shows what it is the hash of.
pub const ID: usize = 16;

// Rows read: 2 (session, operator). A disabled operator's sessions are none.
const FIND: &str = "
SELECT o.id AS operator, o.name, o.role, s.expires_at
FROM sessions AS s JOIN operators AS o ON o.id = s.operator WHERE s.hash = ?1 AND o.disabled_at IS NULL";

/// Who is signed in.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Session {
    /// The operator's number.
    pub operator: i64,
    /// The operator's name.
    pub name: String,
    /// What he is.
    pub role: Role,
    /// When the session ends.
    pub expires_at: i64,
}

/// Finds a session by its hash.
#[must_use]
pub fn find(hash: &str) -> Statement {
    Statement::new(FIND).bind(hash)
}

// Rows read: the table is as small as the number of operators' browsers, so it is scanned.
const OF_OPERATOR: &str = "
SELECT hash, created_at, expires_at, address, user_agent FROM sessions
WHERE operator = ?1 AND expires_at > CAST(?2 AS INTEGER) ORDER BY created_at DESC, hash LIMIT 200";

/// A session as its operator sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Open {
    /// SHA-256 of the cookie's value, in hex.
    pub hash: String,
    /// When he signed in.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// Where he signed in from.
    pub address: Option<String>,
    /// What his browser called itself.
    pub user_agent: String,
}

/// The sessions of an operator that have not ended, newest first.
#[must_use]
pub fn of_operator(operator: i64, now: Second) -> Statement {
    Statement::new(OF_OPERATOR).bind(operator).bind(now)
}

macro_rules! open {
    ($operator:literal) => {
        concat!(
            "INSERT INTO sessions (hash, operator, created_at, expires_at, address, user_agent) VALUES (?1, ",
            $operator,
            ", ?3, ?4, ?5, ?6)"
        )
    };
}
// Rows written: 1.
const OPEN: &str = open!("?2");
// The same; NULL where nobody was there to enter.
const OPEN_ENTERED: &str = open!("CASE WHEN changes() > 0 THEN ?2 END");

/// Where a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From<'a> {
    /// The address that the platform saw.
    pub address: Option<&'a str>,
    /// What the browser calls itself.
    pub user_agent: &'a str,
}

/// Opens a session that lasts so many seconds.
#[must_use]
pub fn open(hash: &str, operator: i64, from: From<'_>, now: Second, lasts: i64) -> Statement {
    opened(OPEN, hash, operator, from, now, lasts)
}

/// The same directly behind [`super::operators::enter`]. Fails as stale if the operator is no longer as he was found.
#[must_use]
pub fn open_entered(hash: &str, operator: i64, from: From<'_>, now: Second, lasts: i64) -> Statement {
    opened(OPEN_ENTERED, hash, operator, from, now, lasts)
}

fn opened(sql: &'static str, hash: &str, operator: i64, from: From<'_>, now: Second, lasts: i64) -> Statement {
    let statement = Statement::new(sql).bind(hash).bind(operator).bind(now).bind(now.plus(lasts));
    statement.bind(from.address).bind(from.user_agent)
}

// Rows: 1 read, 1 written.
const END: &str = "DELETE FROM sessions WHERE hash = ?1";

/// Ends a session.
#[must_use]
pub fn end(hash: &str) -> Statement {
    Statement::new(END).bind(hash)
}

// Rows read: all of the table; written: those that end.
const END_OTHERS: &str = "DELETE FROM sessions WHERE operator = ?1 AND hash <> ?2";

/// Ends an operator's sessions but one.
#[must_use]
pub fn end_others(operator: i64, kept: &str) -> Statement {
    Statement::new(END_OTHERS).bind(operator).bind(kept)
}

/// Ends an operator's sessions.
#[must_use]
pub fn end_all(operator: i64) -> Statement {
    end_others(operator, "")
}

// Rows: the table is as small as the number of operators' browsers, so it is scanned.
const FORGET: &str = "DELETE FROM sessions WHERE expires_at <= CAST(?1 AS INTEGER)";

/// Forgets sessions that have ended.
#[must_use]
pub fn forget(now: Second) -> Statement {
    Statement::new(FORGET).bind(now)
}
