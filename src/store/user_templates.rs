//! Templates of users, of Marzban's API: what a bot fills in for a new user.

use serde::Deserialize;

use super::Statement;

/// A template.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Template {
    /// Number.
    pub id: i64,
    /// Name, unique.
    pub name: String,
    /// Bytes.
    pub data_limit: Option<i64>,
    /// Seconds.
    pub expire_duration: Option<i64>,
    /// Before a user's name.
    pub username_prefix: Option<String>,
    /// Behind a user's name.
    pub username_suffix: Option<String>,
    /// JSON list of tags.
    pub inbounds: String,
}

macro_rules! columns {
    () => {
        "id, name, data_limit, expire_duration, username_prefix, username_suffix, inbounds"
    };
}

// Rows read: 1.
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM user_templates WHERE id = ?1");
const BY_NAME: &str = concat!("SELECT ", columns!(), " FROM user_templates WHERE name = ?1");
// Rows read: 1 per template shown or left out before.
const LIST: &str = concat!("SELECT ", columns!(), " FROM user_templates ORDER BY id LIMIT ?1 OFFSET ?2");

/// One.
#[must_use]
pub fn by_id(id: i64) -> Statement {
    Statement::new(BY_ID).bind(id)
}

/// The one of a name.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

/// A page of them, in the order of their creation.
#[must_use]
pub fn list(limit: u32, offset: u32) -> Statement {
    Statement::new(LIST).bind(limit).bind(offset)
}

// Rows: 1 read, 2 written (row, index of names). A name that is taken fails.
const CREATE: &str = concat!(
    "INSERT INTO user_templates (name, data_limit, expire_duration, username_prefix, username_suffix, inbounds)
VALUES (?1, CAST(?2 AS INTEGER), CAST(?3 AS INTEGER), ?4, ?5, ?6) RETURNING ",
    columns!()
);
// Rows: 1 read, 1 written, and 2 of the index when the name changes.
const CHANGE: &str = concat!(
    "UPDATE user_templates SET name = ?1, data_limit = CAST(?2 AS INTEGER), expire_duration = CAST(?3 AS INTEGER),
  username_prefix = ?4, username_suffix = ?5, inbounds = ?6 WHERE id = ?7 RETURNING ",
    columns!()
);
// Rows: 1 read, 2 written.
const DELETE: &str = "DELETE FROM user_templates WHERE id = ?1";

fn bound(sql: &'static str, template: &Template) -> Statement {
    Statement::new(sql)
        .bind(template.name.as_str())
        .bind(template.data_limit)
        .bind(template.expire_duration)
        .bind(template.username_prefix.clone())
        .bind(template.username_suffix.clone())
        .bind(template.inbounds.as_str())
}

/// Enters one, whatever number it says, and returns it.
#[must_use]
pub fn create(template: &Template) -> Statement {
    bound(CREATE, template)
}

/// Puts one in the place of that with its number, and returns it.
#[must_use]
pub fn change(template: &Template) -> Statement {
    bound(CHANGE, template).bind(template.id)
}

/// Deletes one.
#[must_use]
pub fn delete(id: i64) -> Statement {
    Statement::new(DELETE).bind(id)
}
