//! Operators as Marzban's API has them: with what it knows of them beside, and with the bytes of their users.

use serde::Deserialize;
use weir_wire::Bytes;

use super::Statement;
use crate::domain::role::Role;

/// An operator.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Admin {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// What he is.
    pub role: Role,
    /// His account at Telegram.
    pub telegram_id: Option<i64>,
    /// Where he wants to be told of things.
    pub discord_webhook: Option<String>,
    /// Bytes of his users since his usage was last reset.
    pub users_usage: Bytes,
}

// Bytes of all users that he has, deleted ones included: so it never falls, but when a user gets another owner.
macro_rules! of_his_users {
    ($operator:literal) => {
        concat!(
            "(SELECT iif(total(u.lifetime) > 9007199254740991, 9007199254740991, CAST(total(u.lifetime) AS INTEGER))
    FROM users CROSS JOIN usage AS u ON u.user = users.id WHERE users.owner = ",
            $operator,
            ")"
        )
    };
}

macro_rules! columns {
    () => {
        concat!(
            "SELECT id, name, role, telegram_id, discord_webhook, max(0, ",
            of_his_users!("operators.id"),
            " - usage_from) AS users_usage FROM operators "
        )
    };
}

// Rows read: 1, and 2 per user of his.
const BY_NAME: &str = concat!(columns!(), "WHERE name = ?1");
// Rows read: 1 per operator, and 2 per user of those who are shown.
const LIST: &str =
    concat!(columns!(), "WHERE ?1 = '' OR instr(lower(name), ?1) ORDER BY operators.id LIMIT ?2 OFFSET ?3");

/// Finds an operator by name, without case.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

/// Operators whose names have `part` in them, without case, in the order of their creation.
#[must_use]
pub fn list(part: &str, limit: u32, offset: u32) -> Statement {
    Statement::new(LIST).bind(part.to_ascii_lowercase()).bind(limit).bind(offset)
}

// Rows: 1 read, 1 written.
const DESCRIBE: &str = "UPDATE operators SET telegram_id = CAST(?2 AS INTEGER), discord_webhook = ?3 WHERE name = ?1";

/// Keeps what Marzban's API alone knows of an operator.
#[must_use]
pub fn describe(name: &str, telegram_id: Option<i64>, discord_webhook: Option<&str>) -> Statement {
    Statement::new(DESCRIBE).bind(name).bind(telegram_id).bind(discord_webhook)
}

// Rows: 1 read and 2 per user of his, 1 written.
const RESET: &str = concat!("UPDATE operators SET usage_from = ", of_his_users!("operators.id"), " WHERE id = ?1");

/// His usage counts from here on.
#[must_use]
pub fn reset(operator: i64) -> Statement {
    Statement::new(RESET).bind(operator)
}
