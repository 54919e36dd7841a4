//! Direct configs: links that the operator hands out as they are.

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::Statement;

macro_rules! columns {
    () => {
        "id, raw, protocol, server, port, name, remarks, is_active, is_permanent, position, added_at"
    };
}

/// A direct config.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Number.
    pub id: i64,
    /// The link.
    pub raw: String,
    /// Protocol.
    pub protocol: String,
    /// Server.
    pub server: String,
    /// Port.
    pub port: u32,
    /// What the link calls itself.
    pub name: String,
    /// The operator's note.
    pub remarks: String,
    /// 1: handed out.
    pub is_active: u8,
    /// 1: no job may remove it.
    pub is_permanent: u8,
    /// Place in the list.
    pub position: i64,
    /// When it was added.
    pub added_at: i64,
}

/// What is stored of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct New<'a> {
    /// The link.
    pub raw: &'a str,
    /// Protocol.
    pub protocol: &'a str,
    /// Server.
    pub server: &'a str,
    /// Port.
    pub port: u16,
    /// What the link calls itself.
    pub name: &'a str,
    /// The operator's note; without one it stays, or is empty.
    pub remarks: Option<&'a str>,
}

// Rows read: 1 per config.
const ALL: &str = concat!("SELECT ", columns!(), " FROM xpert_direct ORDER BY position, id");

/// All of them, in their order.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}

// Rows read: 2 per config (row, sorted), whatever the page: there is no index by place, because each would cost a row written with every reordering.
const PAGE: &str = concat!("SELECT ", columns!(), " FROM xpert_direct ORDER BY position, id LIMIT ?2 OFFSET ?1");

/// Some of them, in their order.
#[must_use]
pub fn page(offset: u32, limit: u32) -> Statement {
    Statement::new(PAGE).bind(offset).bind(limit)
}

// Rows read: 1.
const ONE: &str = concat!("SELECT ", columns!(), " FROM xpert_direct WHERE id = ?1");

/// One of them.
#[must_use]
pub fn one(id: i64) -> Statement {
    Statement::new(ONE).bind(id)
}

// Rows read: 2 per link.
const PRESENT: &str = "SELECT raw FROM xpert_direct WHERE raw IN (SELECT value FROM json_each(?1))";

/// Those links of a list that are there already.
#[must_use]
pub fn present(raws: &[&str]) -> Statement {
    Statement::new(PRESENT).bind_json(&raws)
}

// Rows: 2 written per link (row, index), 1 for the place. A link that is there already is left out.
const ADD: &str = concat!(
    "
INSERT INTO xpert_direct (raw, protocol, server, port, name, remarks, position, added_at)
SELECT value ->> 'raw', value ->> 'protocol', value ->> 'server', value ->> 'port', value ->> 'name',
  coalesce(value ->> 'remarks', ''), (SELECT coalesce(max(position), 0) FROM xpert_direct) + 1 + key, CAST(?2 AS INTEGER)
FROM json_each(?1) WHERE true ON CONFLICT (raw) DO NOTHING RETURNING ",
    columns!()
);

// What every fetch reads. Rows: 1 read per config, 1 written.
const PUBLISH: &str = "
UPDATE xpert_state SET direct = (SELECT json_group_array(json_array(name, raw))
  FROM (SELECT name, raw FROM xpert_direct WHERE is_active = 1 ORDER BY position, id)) WHERE id = 1";

fn published(change: Statement) -> [Statement; 2] {
    [change, Statement::new(PUBLISH)]
}

/// Adds links at the end, and returns those that were not there.
#[must_use]
pub fn add(links: &[New<'_>], now: Second) -> [Statement; 2] {
    published(Statement::new(ADD).bind_json(&links).bind(now))
}

const CHANGE: &str = concat!(
    "
UPDATE xpert_direct SET raw = coalesce(?2 ->> 'raw', raw), protocol = coalesce(?2 ->> 'protocol', protocol),
  server = coalesce(?2 ->> 'server', server), port = coalesce(?2 ->> 'port', port), name = coalesce(?2 ->> 'name', name),
  remarks = coalesce(?2 ->> 'remarks', remarks)
WHERE id = ?1 RETURNING ",
    columns!()
);

/// Puts another link and note in place of a config's, and returns it; fails as taken when another config has that link.
#[must_use]
pub fn change(id: i64, link: Option<&New<'_>>, remarks: Option<&str>) -> [Statement; 2] {
    let mut fields = serde_json::json!({ "remarks": remarks });
    if let (Some(link), Some(fields)) = (link, fields.as_object_mut()) {
        fields.insert("raw".into(), link.raw.into());
        fields.insert("protocol".into(), link.protocol.into());
        fields.insert("server".into(), link.server.into());
        fields.insert("port".into(), link.port.into());
        fields.insert("name".into(), link.name.into());
    }
    published(Statement::new(CHANGE).bind(id).bind_json(&fields))
}

const TOGGLE: &str = concat!("UPDATE xpert_direct SET is_active = 1 - is_active WHERE id = ?1 RETURNING ", columns!());
const TOGGLE_PERMANENT: &str =
    concat!("UPDATE xpert_direct SET is_permanent = 1 - is_permanent WHERE id = ?1 RETURNING ", columns!());
const REMOVE: &str = concat!("DELETE FROM xpert_direct WHERE id = ?1 RETURNING ", columns!());

/// Switches a config on or off, and returns it.
#[must_use]
pub fn toggle(id: i64) -> [Statement; 2] {
    published(Statement::new(TOGGLE).bind(id))
}

/// Makes a config permanent or not, and returns it.
#[must_use]
pub fn toggle_permanent(id: i64) -> [Statement; 2] {
    published(Statement::new(TOGGLE_PERMANENT).bind(id))
}

/// Removes a config, and returns it.
#[must_use]
pub fn remove(id: i64) -> [Statement; 2] {
    published(Statement::new(REMOVE).bind(id))
}

// Rows: 2 read and 1 written per config.
const ORDER: &str = "
UPDATE xpert_direct SET position = place FROM (SELECT value AS of_id, key + 1 AS place FROM json_each(?1)) WHERE id = of_id";

/// Puts configs into an order.
#[must_use]
pub fn order(ids: &[i64]) -> [Statement; 2] {
    published(Statement::new(ORDER).bind_json(&ids))
}
