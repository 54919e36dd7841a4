//! Users in lists as Marzban's API asks for them: filtered, in an order of several keys, page by page.

use serde::Deserialize;
use weir_wire::Second;

use super::fetch_log::newest_of_user;
use super::marzban_users::{seen, status_at_marzban};
use super::{Statement, Value};
use crate::domain::user::Status;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Name, without case.
    Username,
    /// Bytes of the period.
    UsedTraffic,
    /// Quota; without any comes first.
    DataLimit,
    /// Expiry; without any comes first.
    Expire,
    /// Creation.
    CreatedAt,
}

impl Key {
    /// The key of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "username" => Self::Username,
            "used_traffic" => Self::UsedTraffic,
            "data_limit" => Self::DataLimit,
            "expire" => Self::Expire,
            "created_at" => Self::CreatedAt,
            _ => return None,
        })
    }

    /// As an SQL expression. Numbers rise with the instant of creation, and have an index.
    const fn sql(self) -> &'static str {
        match self {
            Self::Username => "users.name COLLATE NOCASE",
            Self::UsedTraffic => "iif(u.period_end <= CAST(?1 AS INTEGER), 0, u.month)",
            Self::DataLimit => "u.monthly_quota",
            Self::Expire => "CASE WHEN u.hold > 0 THEN NULL ELSE users.expires_at END",
            Self::CreatedAt => "users.id",
        }
    }
}

/// A key, and whether it runs down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// Key.
    pub key: Key,
    /// The largest first.
    pub down: bool,
}

/// Which users a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Users to leave out before.
    pub offset: u32,
    /// Users at most; none = all.
    pub limit: Option<u32>,
    /// Names, without case; none = any.
    pub names: Vec<String>,
    /// Part of a name or a note, without case; empty for all.
    pub search: String,
    /// Names of the operators whose users they are; none = any.
    pub admins: Vec<String>,
    /// The status of all of them.
    pub status: Option<Status>,
    /// Order; the oldest first without any.
    pub sort: Vec<Sort>,
    /// The operator whose users alone are seen.
    pub only: Option<i64>,
}

/// A condition with its parameters, which are numbered from the first free one on.
struct Filter {
    sql: String,
    values: Vec<Value>,
}

impl Filter {
    /// `?1` is now.
    fn of(query: &Query, now: Second) -> Self {
        let mut filter = Self { sql: "users.deleted_at IS NULL".into(), values: vec![now.into()] };
        if let Some(owner) = query.only {
            filter.add("users.owner = CAST(# AS INTEGER)", owner);
        }
        if !query.names.is_empty() {
            filter.add("users.name COLLATE NOCASE IN (SELECT value FROM json_each(#))", json(&query.names));
        }
        if !query.admins.is_empty() {
            let sql = "users.owner IS NOT NULL AND users.owner IN (SELECT id FROM operators WHERE name IN (SELECT value FROM json_each(#)))";
            filter.add(sql, json(&query.admins));
        }
        if let Some(status) = query.status {
            filter.add(concat!("# = ", status_at_marzban!()), status.name());
        }
        if !query.search.is_empty() {
            // `instr`, because D1 refuses LIKE patterns beyond 50 bytes; as SQLite's `lower` does it.
            let sql = "(instr(lower(users.name), #) OR instr(lower(users.note), #))";
            filter.add(sql, query.search.to_ascii_lowercase());
        }
        filter
    }

    fn add(&mut self, sql: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.sql.push_str(" AND ");
        self.sql.push_str(&sql.replace('#', &format!("?{}", self.values.len())));
    }
}

fn json(names: &[String]) -> String {
    serde_json::to_string(names).unwrap_or_default()
}

fn made(sql: String, values: Vec<Value>) -> Statement {
    values.into_iter().fold(Statement::made(sql), Statement::bind)
}

impl Query {
    const fn is_filtered(&self) -> bool {
        !self.names.is_empty()
            || !self.search.is_empty()
            || !self.admins.is_empty()
            || self.status.is_some()
            || self.only.is_some()
    }

    /// The only key, if it is one that has an index.
    fn indexed(&self) -> Option<Sort> {
        match self.sort.as_slice() {
            [] => Some(Sort { key: Key::CreatedAt, down: false }),
            [one] if matches!(one.key, Key::Username | Key::CreatedAt) => Some(*one),
            _ => None,
        }
    }
}

/// The users of a query with their owners.
///
/// Rows read without a filter, in order of names or of creation: 4 per user shown (user, usage, owner, log of fetches), and 1 per user left
/// out before; of names, as many per name; of a reseller, 2 per user of his. Any other filter or order scans the users once.
#[must_use]
pub fn list(query: &Query, now: Second) -> Statement {
    let Filter { mut sql, mut values } = Filter::of(query, now);
    if let Some(Sort { key, down }) = query.indexed().filter(|_| !query.is_filtered()) {
        // The page begins at a key that the index alone finds.
        let (column, order) = (key.sql(), direction(down));
        let from = if down { "<=" } else { ">=" };
        let plain = column.replace("users.", "");
        let bare = plain.trim_end_matches(" COLLATE NOCASE");
        sql = format!(
            "{sql} AND {column} {from} (SELECT {bare} FROM users WHERE deleted_at IS NULL ORDER BY {plain}{order} LIMIT 1 OFFSET ?2)
ORDER BY {column}{order} LIMIT ?3"
        );
        values.extend([query.offset.into(), limit(query)]);
    } else {
        let mut keys: Vec<String> =
            query.sort.iter().map(|sort| format!("{}{}", sort.key.sql(), direction(sort.down))).collect();
        keys.push("users.id".into());
        let last = values.len();
        sql = format!("{sql}\nORDER BY {} LIMIT ?{} OFFSET ?{}", keys.join(", "), last + 1, last + 2);
        values.extend([limit(query), query.offset.into()]);
    }
    let seen = seen!(", # AS fetched").replace('#', &newest_of_user("?1"));
    made(format!("{seen}WHERE {sql}"), values)
}

const fn direction(down: bool) -> &'static str {
    if down { " DESC" } else { "" }
}

fn limit(query: &Query) -> Value {
    query.limit.map_or(Value::Int(-1), Value::from)
}

// Rows read: 1.
const COUNT: &str = "SELECT value AS total FROM counters WHERE name = 'users'";

/// How many users a query has, on all its pages. Rows read: 1 without a filter; with one, as many as [`list`] without its limit.
#[must_use]
pub fn count(query: &Query, now: Second) -> Statement {
    if !query.is_filtered() {
        return Statement::new(COUNT);
    }
    let Filter { sql, values } = Filter::of(query, now);
    let sql = format!("SELECT count(*) AS total FROM users JOIN usage AS u ON u.user = users.id WHERE {sql}");
    made(sql, values)
}

/// Whose account ended in a span, and is limited or has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// First instant of an expiry.
    pub after: Second,
    /// Last instant of one.
    pub before: Second,
    /// The operator whose users alone are seen.
    pub only: Option<i64>,
}

// Rows read: 2 per user whose expiry lies in the span; of a reseller, 2 per user of his.
macro_rules! expired {
    ($own:literal) => {
        concat!(
            $crate::store::users::columns!(),
            "FROM users JOIN usage AS u ON u.user = users.id WHERE ",
            $own,
            "users.deleted_at IS NULL AND users.expires_at BETWEEN CAST(?2 AS INTEGER) AND CAST(?3 AS INTEGER) AND u.hold = 0
  AND ",
            status_at_marzban!(),
            " IN ('limited', 'expired') ORDER BY users.name COLLATE NOCASE"
        )
    };
}
const EXPIRED: &str = expired!("");
const EXPIRED_OWN: &str = expired!("users.owner = CAST(?4 AS INTEGER) AND ");

/// Users whose account ended in a span.
#[must_use]
pub fn expired(query: Expired, now: Second) -> Statement {
    let bound = |sql| Statement::new(sql).bind(now).bind(query.after).bind(query.before);
    query.only.map_or_else(|| bound(EXPIRED), |owner| bound(EXPIRED_OWN).bind(owner))
}

// Rows read: 2 per user.
const DELETED: &str = "
SELECT name FROM json_each(?1) JOIN users ON users.id = value ->> 0 WHERE deleted_at = CAST(?2 AS INTEGER)
ORDER BY name COLLATE NOCASE";

/// A user who was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Gone {
    /// His name.
    pub name: String,
}

/// Those of `[user, revision]` who were deleted at `now`.
#[must_use]
pub fn deleted(read: &[(i64, i64)], now: Second) -> Statement {
    Statement::new(DELETED).bind_json(&read).bind(now)
}
