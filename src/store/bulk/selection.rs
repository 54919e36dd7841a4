//! Whom a bulk action is for: a filter or names, looked at, counted, and fixed when it is asked for.

use serde::Deserialize;
use weir_wire::Second;

use crate::store::Statement;
use crate::store::user_list::{Query, filter, filtered};
use crate::store::users::columns;

/// Whom it is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Whoever a list of this query shows, on all its pages.
    Filter(Query),
    /// The users of these names.
    Names(Vec<String>),
}

macro_rules! named {
    () => {
        "FROM json_each(?1) AS asked CROSS JOIN users ON users.name = asked.value COLLATE NOCASE AND deleted_at IS NULL
  JOIN usage AS u ON u.user = users.id "
    };
}

macro_rules! pin {
    ($from:expr) => {
        concat!(
            "
INSERT INTO bulk_chunks (bulk, number, state, users)
SELECT (SELECT coalesce(max(id), 0) + 1 FROM bulk), (place - 1) / 250, 'waiting', json_group_array(of_user)
FROM (SELECT of_user, row_number() OVER (ORDER BY of_user) AS place FROM (SELECT DISTINCT users.id AS of_user ",
            $from,
            ")) GROUP BY 2"
        )
    };
}

// Rows read: every user once, or 3 per name; written: 1 per chunk.
const PIN_FILTERED: &str = pin!(filtered!());
const PIN_NAMED: &str = pin!(named!());
// Rows read: 2 per user of his.
const PIN_OWN: &str = pin!(filtered!("owner = CAST(?6 AS INTEGER) AND "));

// Rows read: 2 per user of the page, and by a filter every user once.
const PAGE_FILTERED: &str = concat!(columns!(), filtered!(), "ORDER BY users.id LIMIT ?6 OFFSET ?7");
const PAGE_OWN: &str =
    concat!(columns!(), filtered!("owner = CAST(?8 AS INTEGER) AND "), "ORDER BY users.id LIMIT ?6 OFFSET ?7");
const PAGE_NAMED: &str = concat!(columns!(), named!(), "ORDER BY users.id LIMIT ?2 OFFSET ?3");

/// Users of a selection, oldest first.
#[must_use]
pub fn page(selection: &Selection, limit: u32, offset: u32, now: Second) -> Statement {
    let of = |statement: Statement| statement.bind(limit).bind(offset);
    match selection {
        Selection::Filter(query) => match query.owner {
            Some(owner) => of(filter(Statement::new(PAGE_OWN), query, now)).bind(owner),
            None => of(filter(Statement::new(PAGE_FILTERED), query, now)),
        },
        Selection::Names(names) => of(Statement::new(PAGE_NAMED).bind_json(names)),
    }
}

// Rows read: as PAGE, without its limit.
const COUNT_FILTERED: &str = concat!("SELECT count(*) AS total, NULL AS missing ", filtered!());
const COUNT_OWN: &str =
    concat!("SELECT count(*) AS total, NULL AS missing ", filtered!("owner = CAST(?6 AS INTEGER) AND "));
const COUNT_NAMED: &str = "
SELECT count(DISTINCT users.id) AS total, min(CASE WHEN users.id IS NULL THEN asked.key END) AS missing
FROM json_each(?1) AS asked LEFT JOIN users ON users.name = asked.value COLLATE NOCASE AND deleted_at IS NULL";

/// A filter whose sixth parameter is the owner, if it is about one owner's users.
fn owned(any: &'static str, own: &'static str, query: &Query, now: Second) -> Statement {
    match query.owner {
        Some(owner) => filter(Statement::new(own), query, now).bind(owner),
        None => filter(Statement::new(any), query, now),
    }
}

/// What [`count`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Chosen {
    /// Users.
    pub total: u32,
    /// Which of the names nobody has, from 0.
    pub missing: Option<u32>,
}

/// How many users a selection has.
#[must_use]
pub fn count(selection: &Selection, now: Second) -> Statement {
    match selection {
        Selection::Filter(query) => owned(COUNT_FILTERED, COUNT_OWN, query, now),
        Selection::Names(names) => Statement::new(COUNT_NAMED).bind_json(names),
    }
}

// Directly after PIN. NULL where other users were chosen than were counted. Rows: 1 read per chunk, 2 written.
const ENTER: &str = "
INSERT INTO bulk (created_at, entered_by, selection, action, state, total)
SELECT CAST(?1 AS INTEGER), ?2, ?3, ?4, 'running', CASE WHEN chosen = CAST(?5 AS INTEGER) THEN chosen END
FROM (SELECT coalesce(sum(json_array_length(users)), 0) AS chosen FROM bulk_chunks
  WHERE bulk = (SELECT coalesce(max(id), 0) + 1 FROM bulk))
RETURNING id";

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Whom it is for.
    pub selection: &'a Selection,
    /// How many there are; it fails as stale if there are others now.
    pub total: u32,
    /// The same as the API takes it.
    pub asked: &'a str,
    /// What is done, as the API takes it.
    pub action: &'a str,
    /// Who asks.
    pub by: &'a str,
}

/// Where [`create`] returns the number.
pub const CREATED: usize = 1;

/// What [`create`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Created {
    /// Its number.
    pub id: i64,
}

/// Fixes the users, and enters what is to be done to them.
#[must_use]
pub fn create(wish: &Wish<'_>, now: Second) -> [Statement; 2] {
    let pin = match wish.selection {
        Selection::Filter(query) => owned(PIN_FILTERED, PIN_OWN, query, now),
        Selection::Names(names) => Statement::new(PIN_NAMED).bind_json(names),
    };
    let enter = Statement::new(ENTER).bind(now).bind(wish.by).bind(wish.asked).bind(wish.action).bind(wish.total);
    [pin, enter]
}
