//! The audit log: rows, and the head that says where the chain ends.

use serde::Deserialize;

use super::Statement;
use crate::domain::audit::{Head, Link, Row};

// Rows read: 1.
const HEAD: &str = "SELECT count, link, seal FROM audit_head WHERE id = 1";

/// The head; no row if somebody took it away.
#[must_use]
pub fn head() -> Statement {
    Statement::new(HEAD)
}

/// The head beside the last row that there is, whatever its number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct End {
    /// The head's row, if there is one.
    pub count: Option<i64>,
    /// Its link.
    pub link: Option<String>,
    /// Its seal.
    pub seal: Option<String>,
    /// Number of the last row.
    pub last: Option<i64>,
    /// Its link.
    pub last_link: Option<String>,
}

impl End {
    /// The head.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Some(Head { count: self.count?, link: self.link.clone()?, seal: self.seal.clone()? })
    }
}

// Rows read: 4.
const END: &str = "
SELECT h.count, h.link, h.seal, a.number AS last, a.link AS last_link FROM (SELECT 1 AS id) AS one
LEFT JOIN audit_head AS h ON h.id = one.id
LEFT JOIN audit AS a ON a.number = (SELECT max(number) FROM audit)";

/// Head and last row at one instant.
#[must_use]
pub fn end() -> Statement {
    Statement::new(END)
}

// Rows: 1 read, 1 written.
const APPEND: &str = "
INSERT INTO audit (number, at, actor_kind, actor, action, subject, before, after, origin, request, link)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

// Rows: 1 read, 1 written. NULL where another link stands than the one that this was prepared on.
const MOVE: &str = "
INSERT INTO audit_head (id, count, link, seal) VALUES (1, ?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET count = excluded.count, seal = excluded.seal,
  link = CASE WHEN link = ?4 THEN excluded.link END";

// The number behind the last one, which costs no look for one that is there. Rows written: 1.
const APPEND_NEXT: &str = "
INSERT INTO audit (at, actor_kind, actor, action, subject, before, after, origin, request, link)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

// The same as MOVE, directly behind APPEND_NEXT: NULL also where the row got another number than the head says.
const MOVE_NEXT: &str = "
INSERT INTO audit_head (id, count, link, seal) VALUES (1, ?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET count = excluded.count, seal = excluded.seal,
  link = CASE WHEN link = ?4 AND last_insert_rowid() = excluded.count THEN excluded.link END";

/// The same as [`append`] of one row, if the last row has the number before it; otherwise it fails as stale.
#[must_use]
pub fn append_next(row: &Row, link: &Link, head: &Head, previous: &str) -> [Statement; 2] {
    [said(Statement::new(APPEND_NEXT), row, link), moved(MOVE_NEXT, head, previous)]
}

fn moved(sql: &'static str, head: &Head, previous: &str) -> Statement {
    Statement::new(sql).bind(head.count).bind(head.link.as_str()).bind(head.seal.as_str()).bind(previous)
}

/// Adds rows with their links and moves the head behind them. Fails as stale if the head's link is no longer `previous`, or
/// a row has the number already; it belongs into the batch of what the rows tell of.
#[must_use]
pub fn append(rows: &[(Row, Link)], head: &Head, previous: &str) -> Vec<Statement> {
    let mut batch: Vec<Statement> = rows.iter().map(insert).collect();
    batch.push(moved(MOVE, head, previous));
    batch
}

fn insert((row, link): &(Row, Link)) -> Statement {
    said(Statement::new(APPEND).bind(row.number), row, link)
}

fn said(statement: Statement, row: &Row, link: &Link) -> Statement {
    statement
        .bind(row.at)
        .bind(row.actor_kind.as_str())
        .bind(row.actor.as_str())
        .bind(row.action.as_str())
        .bind(row.subject.as_str())
        .bind(row.before.as_deref())
        .bind(row.after.as_deref())
        .bind(row.origin.as_deref())
        .bind(row.request.as_str())
        .bind(link.to_string())
}

// One text a row: reading eleven columns of hundreds of rows would cost the free plan's CPU time.
macro_rules! packed {
    () => {
        "SELECT number, json_array(at, actor_kind, actor, action, subject, before, after, origin, request, link) AS packed
FROM audit "
    };
}

/// A row as [`piece`] and [`page`] return it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Packed {
    /// Its number.
    pub number: i64,
    /// JSON of its other columns.
    pub packed: String,
}

impl Packed {
    /// The row and its link. One with something else in a column than we write is empty, and fits no link.
    #[must_use]
    pub fn unpack(&self) -> (Row, String) {
        type Texts = Option<String>;
        type Columns = (i64, String, String, String, String, Texts, Texts, Texts, String, String);
        let columns: Columns = serde_json::from_str(&self.packed).unwrap_or_default();
        let (at, actor_kind, actor, action, subject, before, after, origin, request, link) = columns;
        let number = self.number;
        (Row { number, at, actor_kind, actor, action, subject, before, after, origin, request }, link)
    }
}

// Rows read: as many as are returned.
const PIECE: &str = concat!(packed!(), "WHERE number >= ?1 ORDER BY number LIMIT ?2");

/// At most so many rows in the order of the chain, from a number on.
#[must_use]
pub fn piece(from: i64, most: u32) -> Statement {
    Statement::new(PIECE).bind(from).bind(most)
}

// Rows read: 1.
const LINK: &str = "SELECT link FROM audit WHERE number = ?1";

/// What [`link`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Linked {
    /// The stored link.
    pub link: String,
}

/// The link of one row.
#[must_use]
pub fn link(number: i64) -> Statement {
    Statement::new(LINK).bind(number)
}

/// Rows that one page looks at: without an index a filter reads every row that it leaves out, and an index would cost a row
/// written with every action.
pub const WINDOW: u32 = 2_000;

macro_rules! window {
    () => {
        "min(CAST(?1 AS INTEGER), (SELECT max(number) + 1 FROM audit)) - 2000"
    };
}

// Rows read: 1, and those returned; with a filter every row of the window.
const PAGE: &str = concat!(
    packed!(),
    "WHERE number < CAST(?1 AS INTEGER) AND number >= ",
    window!(),
    " AND at >= ?2 AND at < ?3 AND (?4 = '' OR actor = ?4) AND (?5 = '' OR action = ?5) AND (?6 = '' OR subject = ?6)
ORDER BY number DESC LIMIT ?7"
);
// Rows read: 2.
const BELOW: &str = concat!("SELECT number, at FROM audit WHERE number < ", window!(), " ORDER BY number DESC LIMIT 1");

/// Which rows a page shows. An empty text stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Rows of smaller numbers.
    pub before: i64,
    /// From this second on.
    pub from: i64,
    /// Up to this second, exclusive.
    pub to: i64,
    /// Who did it.
    pub actor: String,
    /// What he did.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Rows at most.
    pub limit: u32,
}

/// The newest row that a page did not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Below {
    /// Its number.
    pub number: i64,
    /// When it was written.
    pub at: i64,
}

/// Clocks of two places differ: a row that was written later may be this many seconds older.
const CLOCKS: i64 = 300;

impl Query {
    /// Where the following page goes on ([`Query::before`]), given the rows of this one and the row below its window; none at the end.
    #[must_use]
    pub fn next(&self, rows: &[(Row, String)], below: Option<Below>) -> Option<i64> {
        let full = u32::try_from(rows.len()).is_ok_and(|count| count == self.limit);
        match (rows.last(), below) {
            (Some((last, _)), _) if full => (last.number > 1).then_some(last.number),
            (_, Some(below)) => (below.at >= self.from.saturating_sub(CLOCKS)).then(|| below.number.saturating_add(1)),
            (_, None) => None,
        }
    }
}

/// The rows of a query within one window, the newest first, and the row below that window ([`Below`]), if there is one.
#[must_use]
pub fn page(query: &Query) -> [Statement; 2] {
    let page = Statement::new(PAGE)
        .bind(query.before)
        .bind(query.from)
        .bind(query.to)
        .bind(query.actor.as_str())
        .bind(query.action.as_str())
        .bind(query.subject.as_str())
        .bind(query.limit);
    [page, Statement::new(BELOW).bind(query.before)]
}
