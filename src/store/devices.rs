//! Devices that fetch a user's subscription. What a fetch reads of them stands in [`super::fetch_log::open`].

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::Statement;

/// A device as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told<'a> {
    /// Its hash ([`crate::domain::devices::Hwid::hash`]).
    pub id: &'a str,
    /// Operating system.
    pub os: &'a str,
    /// That system's version.
    pub os_version: &'a str,
    /// Model.
    pub model: &'a str,
    /// Client family.
    pub client: &'a str,
}

// Two that come at the same instant do not both take the last place; one that asks twice has the place that it took. Rows: read 1 per
// device of the user; written 1.
const ENTER: &str = "
INSERT INTO devices (user, id, os, os_version, model, client, first_at, last_at)
SELECT ?1, ?2 ->> 'id', ?2 ->> 'os', ?2 ->> 'os_version', ?2 ->> 'model', ?2 ->> 'client', CAST(?3 AS INTEGER), CAST(?3 AS INTEGER)
WHERE (SELECT count(*) FROM devices WHERE user = ?1 AND id <> ?2 ->> 'id') < CAST(?4 AS INTEGER)
ON CONFLICT (user, id) DO UPDATE SET last_at = excluded.last_at";

/// Enters a device, if it is one of at most `most`. Nothing is changed when there is no room.
#[must_use]
pub fn enter(user: i64, device: &Told<'_>, most: usize, now: Second) -> Statement {
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    Statement::new(ENTER).bind(user).bind_json(device).bind(now).bind(most)
}

// Rows: 1 read, 1 written.
const AGAIN: &str = "
UPDATE devices SET os = ?2 ->> 'os', os_version = ?2 ->> 'os_version', model = ?2 ->> 'model', client = ?2 ->> 'client',
  last_at = CAST(?3 AS INTEGER)
WHERE user = ?1 AND id = ?2 ->> 'id' AND last_at < CAST(?3 AS INTEGER)";

/// Notes that a known device was seen, and what it says of itself now.
#[must_use]
pub fn again(user: i64, device: &Told<'_>, now: Second) -> Statement {
    Statement::new(AGAIN).bind(user).bind_json(device).bind(now)
}

/// A device as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its hash.
    pub id: String,
    /// What an operator calls it.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// That system's version.
    pub os_version: String,
    /// Model.
    pub model: String,
    /// Client family.
    pub client: String,
    /// When it came first.
    #[serde(rename(serialize = "first_seen_at"))]
    pub first_at: i64,
    /// When it was last noted.
    #[serde(rename(serialize = "last_seen_at"))]
    pub last_at: i64,
}

macro_rules! columns {
    () => {
        "SELECT id, name, os, os_version, model, client, first_at, last_at FROM devices WHERE user = ?1"
    };
}

// Rows read: 2 per device, because they are sorted by their age.
const OF_USER: &str = concat!(columns!(), " ORDER BY first_at, id");
// Rows read: 1.
const ONE: &str = concat!(columns!(), " AND id = ?2");

/// A user's devices, the oldest first.
#[must_use]
pub fn of_user(user: i64) -> Statement {
    Statement::new(OF_USER).bind(user)
}

/// One of them.
#[must_use]
pub fn one(user: i64, id: &str) -> Statement {
    Statement::new(ONE).bind(user).bind(id)
}

// Rows: 1 read, 1 written.
const RENAME: &str = "UPDATE devices SET name = ?3 WHERE user = ?1 AND id = ?2";

/// Renames one.
#[must_use]
pub fn rename(user: i64, id: &str, name: &str) -> Statement {
    Statement::new(RENAME).bind(user).bind(id).bind(name)
}

// Rows written: 1 per device.
const FORGET: &str = "DELETE FROM devices WHERE user = ?1 AND (?2 IS NULL OR id = ?2)";

/// Forgets one device, or all of a user's: their places are free.
#[must_use]
pub fn forget(user: i64, id: Option<&str>) -> Statement {
    Statement::new(FORGET).bind(user).bind(id.map(str::to_owned))
}
