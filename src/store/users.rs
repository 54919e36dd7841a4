//! Users: who may pass. What they use stands in [`super::usage`], how they get in in [`super::slots`].

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second, SlotName};

use super::gates::gate_of_user;
use super::quotas::Roll;
use super::slots::gate_of_usage;
use super::{Statement, gates, quotas, slots};
use crate::domain::period::Cycle;
use crate::domain::user::Standing;

/// A user with his account.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: Option<String>,
    /// What the operator wants to remember.
    pub note: String,
    /// Slot.
    pub slot: SlotName,
    /// Links of lower generations are revoked.
    pub generation: u32,
    /// When a person shut him out.
    pub disabled_at: Option<i64>,
    /// From when on he may not pass.
    pub expires_at: Option<i64>,
    /// When he was created.
    pub created_at: i64,
    /// Per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// Over the lifetime, 0 = unlimited.
    pub total_quota: Bytes,
    /// Used in the period, without bonus.
    pub month: Bytes,
    /// Used since he was created, bonus included.
    pub lifetime: Bytes,
    /// Bonus left.
    pub bonus_left: Bytes,
    /// Bonus spent.
    pub bonus_spent: Bytes,
    /// When his usage begins anew.
    #[serde(flatten)]
    pub cycle: Cycle,
    /// Current period, inclusive.
    pub period_start: i64,
    /// Current period, exclusive.
    pub period_end: i64,
    /// End of the newest report with bytes of his; 0 before the first.
    pub last_at: i64,
}

impl User {
    /// What decides his gate.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            disabled: self.disabled_at.is_some(),
            expires_at: self.expires_at.map(Second::clamped),
            monthly_quota: self.monthly_quota,
            total_quota: self.total_quota,
            month: self.month,
            lifetime: self.lifetime,
            bonus_left: self.bonus_left,
            bonus_spent: self.bonus_spent,
        }
    }
}

macro_rules! columns {
    () => {
        "SELECT users.id, name, email, note, slot, generation, disabled_at, expires_at, created_at,
  monthly_quota, total_quota, month, lifetime, bonus_left, bonus_spent, reset_strategy, reset_day, time_zone,
  period_start, period_end, last_at "
    };
}
pub(super) use columns;

// Rows read: 2 (user, usage); finding him by the index counts no row of its own.
const BY_NAME: &str = concat!(
    columns!(),
    "FROM users JOIN usage AS u ON u.user = users.id WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL"
);

/// Finds a user by name, without case.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

// Rows read: 2 (user, usage).
const BY_ID: &str =
    concat!(columns!(), "FROM users JOIN usage AS u ON u.user = users.id WHERE users.id = ?1 AND deleted_at IS NULL");

/// Finds a user by number.
#[must_use]
pub fn by_id(user: i64) -> Statement {
    Statement::new(BY_ID).bind(user)
}

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Part of a name, a mail address or a note, without case; empty for all.
    pub search: String,
    /// `open`, `limited`, `expired`, `disabled`; empty for all.
    pub status: &'static str,
    /// Order.
    pub order: Order,
    /// Users at most.
    pub limit: u32,
    /// Users to leave out before.
    pub offset: u32,
}

impl Query {
    /// Whether it leaves users out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.search.is_empty() || !self.status.is_empty()
    }
}

// The filter of every list; `instr`, because D1 refuses LIKE patterns beyond 50 bytes.
macro_rules! filtered {
    () => {
        concat!(
            "FROM users JOIN usage AS u ON u.user = users.id WHERE deleted_at IS NULL
  AND (?2 = '' OR instr(lower(name), ?2) OR instr(lower(coalesce(email, '')), ?2) OR instr(lower(note), ?2))
  AND (?3 = '' OR ?3 = replace(replace(",
            gate_of_user!(),
            ", 'month', 'limited'), 'total', 'limited')) "
        )
    };
}

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
        concat!(columns!(), filtered!(), "ORDER BY ", $order, " LIMIT ?4 OFFSET ?5")
    };
}
const PAGE_NAME: &str = page!("name COLLATE NOCASE", ">=");
const PAGE_NAME_DOWN: &str = page!("name COLLATE NOCASE DESC", "<=");
const SCAN_NAME: &str = scan!("name COLLATE NOCASE");
const SCAN_NAME_DOWN: &str = scan!("name COLLATE NOCASE DESC");
const SCAN_USED: &str = scan!("month, users.id");
const SCAN_USED_DOWN: &str = scan!("month DESC, users.id");
const SCAN_CREATED: &str = scan!("created_at, users.id");
const SCAN_CREATED_DOWN: &str = scan!("created_at DESC, users.id DESC");

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
    match page.filter(|_| !query.is_filtered()) {
        Some(page) => Statement::new(page).bind(query.limit).bind(query.offset),
        None => filter(Statement::new(scan), query, now).bind(query.limit).bind(query.offset),
    }
}

fn filter(statement: Statement, query: &Query, now: Second) -> Statement {
    // As SQLite's `lower` does it: of letters beyond ASCII, only the same ones match.
    statement.bind(now).bind(query.search.to_ascii_lowercase()).bind(query.status)
}

// Rows read: every user once.
const COUNT_FILTERED: &str = concat!("SELECT count(*) AS total ", filtered!());
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
    if query.is_filtered() { filter(Statement::new(COUNT_FILTERED), query, now) } else { Statement::new(COUNT) }
}

// The oldest vacant slot is the one that the nodes are most likely to have loaded. A batch is a transaction, so two
// creations at once never take the same one; without any vacant slot nothing is inserted.
// Rows: 2 read, 4 written (row, two indexes, the counter).
const INSERT: &str = "
INSERT INTO users (name, email, note, gate, slot, expires_at, created_at)
SELECT ?1 ->> 'name', ?1 ->> 'email', coalesce(?1 ->> 'note', ''), 'vacant', slots.name, ?1 ->> 'expires_at',
  CAST(?2 AS INTEGER)
FROM slots WHERE gate = 'vacant' ORDER BY born, slots.name LIMIT 1";

/// Creates a user in his first period and opens his slot. The last statement returns him; no row comes back when no slot
/// was vacant. `user` serialises to `name, email, note, monthly_quota, total_quota, reset_strategy, reset_day,
/// time_zone, expires_at`.
#[must_use]
pub fn create<T: Serialize>(user: &T, name: &str, period: (Second, Second), salt: u32, now: Second) -> Vec<Statement> {
    vec![
        Statement::new(INSERT).bind_json(user).bind(now),
        quotas::open(user, period),
        gates::settle_new(name, now),
        slots::number_change(salt),
        gates::schedule_new(name, now),
        by_name(name),
    ]
}

// Fields that the JSON lacks stay; `null` clears. Rows: 1 read, 2 written (row, index of names).
const CHANGE: &str = "
UPDATE users SET
  name = coalesce(?2 ->> 'name', name),
  email = CASE WHEN json_type(?2, '$.email') IS NULL THEN email ELSE ?2 ->> 'email' END,
  note = CASE WHEN json_type(?2, '$.note') IS NULL THEN note ELSE coalesce(?2 ->> 'note', '') END,
  expires_at = CASE WHEN json_type(?2, '$.expires_at') IS NULL THEN expires_at ELSE ?2 ->> 'expires_at' END
WHERE id = ?1 AND deleted_at IS NULL";

// Rows: 1 read, 1 written.
const ENABLE: &str = "UPDATE users SET disabled_at = NULL WHERE id = ?1 AND disabled_at IS NOT NULL";
const DISABLE: &str = "UPDATE users SET disabled_at = CAST(?2 AS INTEGER) WHERE id = ?1 AND disabled_at IS NULL";

// Rows: 3 read, 1 written. Without any vacant slot it fails on NOT NULL, and the batch with it.
const RENEW: &str = "
UPDATE users SET generation = generation + 1,
  slot = (SELECT slots.name FROM slots WHERE gate = 'vacant' ORDER BY born, slots.name LIMIT 1)
WHERE id = ?1 AND deleted_at IS NULL";

// Rows: 1 read, 5 written (row, two indexes, the counter, by trigger).
const DELETE: &str = "UPDATE users SET deleted_at = CAST(?2 AS INTEGER), due_at = NULL WHERE id = ?1";

/// What a person does to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a, T> {
    /// Changes fields; those that the value lacks when serialised stay, `null` clears. A changed cycle comes with the
    /// period's new end.
    Change(&'a T, Option<Second>),
    /// Undoes a person's "disabled".
    Enable,
    /// Shuts him out until a person enables him again.
    Disable,
    /// Begins a new period now. A rolling one lasts its whole length; the calendar goes on as it was.
    Reset,
    /// Gives him new credentials and revokes his links.
    Revoke,
}

/// Does `action`: one batch that decides his gate anew, makes every node that holds a limit for him ask, and returns him.
/// A period of his that ended unnoticed is closed first.
#[must_use]
pub fn act<T: Serialize>(whole: &User, action: &Action<'_, T>, salt: u32, now: Second) -> Vec<Statement> {
    let user = whole.id;
    let nothing = serde_json::json!({});
    let mut batch = Vec::with_capacity(8);
    if whole.period_end <= now.get() {
        let next = whole.cycle.containing(now, Second::clamped(whole.period_start));
        batch.push(quotas::roll(&[Roll(user, Second::clamped(whole.period_end), next.start, next.end)]));
    }
    match action {
        Action::Change(changes, period_end) => {
            batch.push(Statement::new(CHANGE).bind(user).bind_json(changes));
            batch.push(quotas::change(user, changes, *period_end));
        }
        Action::Reset => batch.push(quotas::reset(user, now, whole.cycle.first(now).end)),
        Action::Enable => batch.push(Statement::new(ENABLE).bind(user)),
        Action::Disable => batch.push(Statement::new(DISABLE).bind(user).bind(now)),
        Action::Revoke => {
            batch.push(gates::retire(user));
            batch.push(Statement::new(RENEW).bind(user));
        }
    }
    if matches!(action, Action::Enable | Action::Disable | Action::Revoke) {
        batch.push(quotas::change(user, &nothing, None));
    }
    batch.extend([gates::settle(user, now), slots::number_change(salt), gates::schedule(&[user], now), by_id(user)]);
    batch
}

/// Changes fields that no gate depends on, and returns him.
#[must_use]
pub fn describe<T: Serialize>(user: i64, changes: &T) -> Vec<Statement> {
    vec![Statement::new(CHANGE).bind(user).bind_json(changes), by_id(user)]
}

/// Deletes a user. His usage and history stay: bytes that are still to be reported are credited to them.
#[must_use]
pub fn delete(user: i64, salt: u32, now: Second) -> Vec<Statement> {
    let nothing = serde_json::json!({});
    vec![
        gates::retire(user),
        slots::number_change(salt),
        quotas::change(user, &nothing, None),
        Statement::new(DELETE).bind(user).bind(now),
    ]
}
