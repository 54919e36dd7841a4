//! Users in lists: searched, filtered, in an order, page by page.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use super::users::columns;
use crate::domain::user::Status;

/// In which order a list comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// By name, last first.
    NameDown,
    /// By bytes of the period, least first.
    Used,
    /// By bytes of the period, most first.
    UsedDown,
    /// By creation, oldest first.
    Created,
    /// By creation, newest first.
    CreatedDown,
}

/// Which users a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Part of a name, a mail address or a note, without case; empty for all.
    pub search: String,
    /// The status of all that are shown; none for any.
    pub status: Option<Status>,
    /// The plan of all that are shown, without case; none for any.
    pub plan: Option<String>,
    /// The number of a node that all who are shown have used; none for any.
    pub node: Option<u32>,
    /// Order.
    pub order: Order,
    /// Users at most.
    pub limit: u32,
    /// Users to leave out before.
    pub offset: u32,
    /// The operator whose users all are that are shown; none for any.
    pub owner: Option<i64>,
}

impl Query {
    /// Whether it leaves users out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.search.is_empty()
            || self.status.is_some()
            || self.plan.is_some()
            || self.node.is_some()
            || self.owner.is_some()
    }
}

/// What a row of `users` with its usage row `u` is shown as at second `?1`, as an SQL expression; the rule of [`crate::domain::user::status`]. A
/// period that has ended unnoticed shuts nobody. What an expired one is shown as may be another expression.
macro_rules! status_of_user {
    () => {
        $crate::store::user_list::status_of_user!("'expired'")
    };
    ($($expired:tt)+) => {
        concat!(
            "CASE ",
            $crate::store::gates::gate_of_user!("iif(u.period_end <= CAST(?1 AS INTEGER), 0, u.month)"),
            " WHEN 'open' THEN iif(u.hold > 0 AND coalesce(u.hold_until > CAST(?1 AS INTEGER), 1), 'on_hold', 'active')
    WHEN 'month' THEN 'limited' WHEN 'total' THEN 'limited' WHEN 'expired' THEN ",
            $($expired)+,
            " ELSE 'disabled' END"
        )
    };
}
pub(super) use status_of_user;

/// The filter of every list, by `?1` to `?5` ([`filter`]); `instr`, because D1 refuses LIKE patterns beyond 50 bytes.
macro_rules! filtered {
    () => {
        $crate::store::user_list::filtered!("")
    };
    ($own:literal) => {
        concat!(
            "FROM users JOIN usage AS u ON u.user = users.id WHERE ",
            $own,
            "deleted_at IS NULL
  AND (?2 = '' OR instr(lower(name), ?2) OR instr(lower(coalesce(email, '')), ?2) OR instr(lower(note), ?2))
  AND (?3 = '' OR ?3 = ",
            $crate::store::user_list::status_of_user!(),
            ")
  AND (?4 = '' OR plan = ?4)
  AND (?5 = '' OR instr(u.entries, ?5)) "
        )
    };
}
pub(super) use filtered;

// Rows read without a filter: 2 per user shown in order of names (index and user count as one, usage), and 1 per user left
// out before him: the inner query walks the index alone. Any other order, and any filter, scans the users once.
macro_rules! page {
    ($order:literal, $from:literal) => {
        concat!(
            columns!(),
            "FROM users JOIN usage AS u ON u.user = users.id WHERE deleted_at IS NULL AND name COLLATE NOCASE ",
            $from,
            " (SELECT name FROM users WHERE deleted_at IS NULL ORDER BY ",
            $order,
            " LIMIT 1 OFFSET ?2) ORDER BY ",
            $order,
            " LIMIT ?1"
        )
    };
}
macro_rules! scan {
    ($order:literal) => {
        [
            concat!(columns!(), filtered!(), "ORDER BY ", $order, " LIMIT ?6 OFFSET ?7"),
            // A reseller's users are found by their index. Rows read: 2 per user of his.
            concat!(
                columns!(),
                filtered!("owner = CAST(?8 AS INTEGER) AND "),
                "ORDER BY ",
                $order,
                " LIMIT ?6 OFFSET ?7"
            ),
        ]
    };
}
const PAGE_NAME: &str = page!("name COLLATE NOCASE", ">=");
const PAGE_NAME_DOWN: &str = page!("name COLLATE NOCASE DESC", "<=");
const SCAN_NAME: [&str; 2] = scan!("name COLLATE NOCASE");
const SCAN_NAME_DOWN: [&str; 2] = scan!("name COLLATE NOCASE DESC");
const SCAN_USED: [&str; 2] = scan!("month, users.id");
const SCAN_USED_DOWN: [&str; 2] = scan!("month DESC, users.id");
const SCAN_CREATED: [&str; 2] = scan!("created_at, users.id");
const SCAN_CREATED_DOWN: [&str; 2] = scan!("created_at DESC, users.id DESC");

/// The users of a query.
#[must_use]
pub fn list(query: &Query, now: Second) -> Statement {
    let (page, scan) = match query.order {
        Order::Name => (Some(PAGE_NAME), SCAN_NAME),
        Order::NameDown => (Some(PAGE_NAME_DOWN), SCAN_NAME_DOWN),
        Order::Used => (None, SCAN_USED),
        Order::UsedDown => (None, SCAN_USED_DOWN),
        Order::Created => (None, SCAN_CREATED),
        Order::CreatedDown => (None, SCAN_CREATED_DOWN),
    };
    if let Some(page) = page.filter(|_| !query.is_filtered()) {
        return Statement::new(page).bind(query.limit).bind(query.offset);
    }
    let [any, own] = scan;
    let scanned = |sql| filter(Statement::new(sql), query, now).bind(query.limit).bind(query.offset);
    query.owner.map_or_else(|| scanned(any), |owner| scanned(own).bind(owner))
}

/// Binds `?1` to `?5` of a filter. Who has used a node has an entry of it: its key begins with the node's number.
pub(super) fn filter(statement: Statement, query: &Query, now: Second) -> Statement {
    // As SQLite's `lower` does it: of letters beyond ASCII, only the same ones match.
    let search = query.search.to_ascii_lowercase();
    let status = query.status.map_or("", Status::name);
    let entry = query.node.map_or_else(String::new, |node| format!("\"{node}:"));
    statement.bind(now).bind(search).bind(status).bind(query.plan.as_deref().unwrap_or_default()).bind(entry)
}

// Rows read: every user once.
const COUNT_FILTERED: &str = concat!("SELECT count(*) AS total ", filtered!());
// Rows read: 2 per user of his.
const COUNT_OWN: &str = concat!("SELECT count(*) AS total ", filtered!("owner = CAST(?6 AS INTEGER) AND "));
// Rows read: 1.
const COUNT: &str = "SELECT value AS total FROM counters WHERE name = 'users'";

/// What [`count`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Total {
    /// Users.
    pub total: u32,
}

/// How many users a query has, on all its pages.
#[must_use]
pub fn count(query: &Query, now: Second) -> Statement {
    match query.owner {
        Some(owner) => filter(Statement::new(COUNT_OWN), query, now).bind(owner),
        None if query.is_filtered() => filter(Statement::new(COUNT_FILTERED), query, now),
        None => Statement::new(COUNT),
    }
}
