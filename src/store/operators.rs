//! Operators: who may do what in the panel.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::Statement;
use super::allowances::month_of_users;
use crate::domain::role::Role;

/// An operator.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Operator {
    /// Number.
    pub id: i64,
    /// Name, unique without case.
    pub name: String,
    /// What he is.
    pub role: Role,
    /// When he was created.
    pub created_at: i64,
    /// When he was shut out.
    pub disabled_at: Option<i64>,
    /// Of a reseller: users at most.
    pub user_allowance: Option<u32>,
    /// Of a reseller: bytes at most that his users may use in a month.
    pub byte_allowance: Option<Bytes>,
    /// His password as it is stored: see [`crate::domain::password`].
    pub password_hash: String,
    /// The sealed secret of his second factor, confirmed or not.
    pub totp: Option<String>,
    /// Since when the second factor is asked for.
    pub totp_since: Option<i64>,
    /// The last step whose code was taken.
    pub totp_step: i64,
    /// Recovery codes left.
    pub recovery_codes: u32,
    /// Of Marzban's API: his account at Telegram.
    pub telegram_id: Option<i64>,
    /// Of Marzban's API: where he wants to be told of things.
    pub discord_webhook: Option<String>,
    /// Bytes of his users when his usage was last reset.
    pub usage_from: Bytes,
    /// When he signed in last.
    pub signed_in_at: Option<i64>,
}

macro_rules! columns {
    () => {
        "SELECT id, name, role, created_at, disabled_at, user_allowance, byte_allowance, password_hash, totp, totp_since, totp_step, telegram_id, discord_webhook,
  usage_from, signed_in_at,
  (SELECT count(*) FROM recovery_codes AS r WHERE r.operator = operators.id) AS recovery_codes
FROM operators "
    };
}

// Rows read: 1, and 1 per recovery code of all operators, of which each has 10 at most.
const BY_NAME: &str = concat!(columns!(), "WHERE name = ?1");
const BY_ID: &str = concat!(columns!(), "WHERE id = ?1");
// The same per operator.
const ALL: &str = concat!(columns!(), "ORDER BY name LIMIT 1000");

/// Finds an operator by name, without case.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

/// Finds an operator by number.
#[must_use]
pub fn by_id(operator: i64) -> Statement {
    Statement::new(BY_ID).bind(operator)
}

/// All of them, in order of their names.
#[must_use]
pub const fn all() -> Statement {
    Statement::new(ALL)
}

// Rows read: 2 per user of his, those that he had and deleted in 31 days among them.
const HANDED_OUT: &str = concat!(
    "
SELECT CAST(total(there) AS INTEGER) AS users, iif(total(bytes) > 9007199254740991, NULL, CAST(total(bytes) AS INTEGER)) AS bytes FROM (",
    month_of_users!(),
    ")"
);

/// What a reseller has handed out.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct HandedOut {
    /// Users of his.
    pub users: u32,
    /// Bytes that they, and those whom he deleted in the last 31 days, may use in a month; none = without bound.
    pub bytes: Option<u64>,
}

/// What an operator has handed out to users of his own.
#[must_use]
pub fn handed_out(operator: i64, now: Second) -> Statement {
    Statement::new(HANDED_OUT).bind(operator).bind(now)
}

// Rows read: 1 per user who has an owner, of the index.
const OWNED: &str = "SELECT owner AS operator, count(*) AS users FROM users WHERE owner IS NOT NULL AND deleted_at IS NULL GROUP BY owner";

/// How many users an operator has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Owned {
    /// The operator.
    pub operator: i64,
    /// Users of his.
    pub users: u32,
}

/// How many users each operator has who has any.
#[must_use]
pub const fn owned() -> Statement {
    Statement::new(OWNED)
}

// Rows: 1 read, 1 written.
const SIGNED_IN: &str = "UPDATE operators SET signed_in_at = ?2 WHERE id = ?1";

/// An operator has signed in.
#[must_use]
pub fn signed_in(operator: i64, now: Second) -> Statement {
    Statement::new(SIGNED_IN).bind(operator).bind(now)
}

// Rows: 1 read, 1 written.
const ENTER: &str = "
UPDATE operators SET signed_in_at = ?2
WHERE id = ?1 AND name = ?3 AND password_hash = ?4 AND disabled_at IS NULL AND totp_since IS NULL";

/// The same of one without a second factor, if he is still as he was found: [`super::sessions::open_entered`] must follow directly, and fails
/// as stale if he is not.
#[must_use]
pub fn enter(operator: i64, name: &str, password_hash: &str, now: Second) -> Statement {
    Statement::new(ENTER).bind(operator).bind(now).bind(name).bind(password_hash)
}

/// What is entered or changed of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// What he is.
    pub role: Role,
    /// Users at most.
    pub user_allowance: Option<u32>,
    /// Bytes at most.
    pub byte_allowance: Option<Bytes>,
}

// Rows: 1 read, 2 written (row, index of names). A name that is taken fails.
const CREATE: &str = "
INSERT INTO operators (name, password_hash, created_at, role, user_allowance, byte_allowance) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Enters an operator. `hash` is that of his password.
#[must_use]
pub fn create(name: &str, hash: &str, fields: &Fields, now: Second) -> Statement {
    fields.bind(Statement::new(CREATE).bind(name).bind(hash).bind(now))
}

// Rows: 1 read, 1 written. Without an owner left it fails (trigger).
const CHANGE: &str = "UPDATE operators SET role = ?2, user_allowance = ?3, byte_allowance = ?4 WHERE id = ?1";

/// Changes what an operator is. An allowance below what he has handed out already takes nothing back.
#[must_use]
pub fn change(operator: i64, fields: &Fields) -> Statement {
    fields.bind(Statement::new(CHANGE).bind(operator))
}

impl Fields {
    fn bind(&self, statement: Statement) -> Statement {
        statement.bind(self.role.name()).bind(self.user_allowance).bind(self.byte_allowance)
    }
}

// Rows: 1 read, 1 written. Without an owner left it fails (trigger).
const DISABLE: &str = "UPDATE operators SET disabled_at = CAST(?2 AS INTEGER) WHERE id = ?1";

/// Shuts an operator out from `at` on, or with none lets him in again. His users stay as they are.
#[must_use]
pub fn disable(operator: i64, at: Option<Second>) -> Statement {
    Statement::new(DISABLE).bind(operator).bind(at)
}

// Rows: 1 read, 1 written.
const SET_PASSWORD: &str = "UPDATE operators SET password_hash = ?2 WHERE id = ?1";

/// Gives an operator another password.
#[must_use]
pub fn set_password(operator: i64, hash: &str) -> Statement {
    Statement::new(SET_PASSWORD).bind(operator).bind(hash)
}

// Rows: 1 read, 1 written, and of the users that he owned 1 read and 1 written, with 2 index entries. Without an owner left it fails.
const DELETE: [&str; 2] = ["DELETE FROM operators WHERE id = ?1", "UPDATE users SET owner = NULL WHERE owner = ?1"];

/// Deletes an operator with his sessions, codes and passkeys. His users become the panel's own.
#[must_use]
pub fn delete(operator: i64) -> Vec<Statement> {
    let mut batch = DELETE.map(|sql| Statement::new(sql).bind(operator)).to_vec();
    batch.push(super::sessions::end_all(operator));
    batch.push(forget_codes(operator));
    batch.push(super::passkeys::remove_all(operator));
    batch
}

// Rows: 1 read, 1 written.
const ENROL: &str = "UPDATE operators SET totp = ?2, totp_since = NULL, totp_step = 0 WHERE id = ?1";
const CONFIRM: &str = "UPDATE operators SET totp_since = ?2, totp_step = ?3 WHERE id = ?1";
const TAKE: &str = "UPDATE operators SET totp_step = ?2 WHERE id = ?1";

/// Keeps the sealed secret of a second factor that is still to be confirmed; none = there is none any more.
#[must_use]
pub fn enrol(operator: i64, sealed: Option<&str>) -> Statement {
    Statement::new(ENROL).bind(operator).bind(sealed)
}

/// From now on the second factor is asked for; the code of `step` was taken.
#[must_use]
pub fn confirm(operator: i64, now: Second, step: i64) -> Statement {
    Statement::new(CONFIRM).bind(operator).bind(now).bind(step)
}

/// Takes the code of a step, and with it those of all before.
#[must_use]
pub fn take(operator: i64, step: i64) -> Statement {
    Statement::new(TAKE).bind(operator).bind(step)
}

// Rows read: every recovery code there is; written: those of the operator.
const FORGET_CODES: &str = "DELETE FROM recovery_codes WHERE operator = ?1";
// Rows written: 1 per code.
const KEEP_CODES: &str =
    "INSERT INTO recovery_codes (hash, operator) SELECT value, CAST(?1 AS INTEGER) FROM json_each(?2)";
// Rows read: 1.
const HAS_CODE: &str = "SELECT operator FROM recovery_codes WHERE hash = ?2 AND operator = ?1";
// Rows: 1 read, 1 written.
const SPEND_CODE: &str = "DELETE FROM recovery_codes WHERE hash = ?2 AND operator = ?1";

/// Forgets an operator's recovery codes.
#[must_use]
pub fn forget_codes(operator: i64) -> Statement {
    Statement::new(FORGET_CODES).bind(operator)
}

/// Keeps recovery codes by their hashes.
#[must_use]
pub fn keep_codes(operator: i64, hashes: &[String]) -> Statement {
    Statement::new(KEEP_CODES).bind(operator).bind_json(&hashes)
}

/// Whose recovery code it is: one row if it is the operator's.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Holder {
    /// The operator.
    pub operator: i64,
}

/// Looks for an operator's recovery code.
#[must_use]
pub fn has_code(operator: i64, hash: &str) -> Statement {
    Statement::new(HAS_CODE).bind(operator).bind(hash)
}

/// Uses a recovery code up.
#[must_use]
pub fn spend_code(operator: i64, hash: &str) -> Statement {
    Statement::new(SPEND_CODE).bind(operator).bind(hash)
}
