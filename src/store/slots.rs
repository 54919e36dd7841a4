//! Slots: the roster that every node holds, vacant places included.

use serde::{Deserialize, Serialize};
use weir_wire::roster::{PAGE, RosterVersion};
use weir_wire::{Bytes, Second, SlotName};

use super::{Statement, epochs};
use crate::domain::period::Cycle;

// Rows read: 3 per slot (json_each, slot, usage), and 1 more for credentials that were replaced: what their user used decides
// about those that he has now, so slot, gate and queued plan are those of today. As long as anybody wants quota warnings, 2 more in all.
const FIND: &str = "
SELECT s.name, s.user, coalesce(u.revision, 0) AS revision, coalesce(u.period_start, 0) AS period_start,
  coalesce(u.period_end, 0) AS period_end, coalesce(u.reset_strategy, 'calendar_month') AS reset_strategy,
  coalesce(u.reset_day, 1) AS reset_day, coalesce(u.time_zone, 'UTC') AS time_zone,
  coalesce(u.hold, 0) AS hold, coalesce(u.hold_since, 0) AS hold_since,
  u.hold_until,
  CASE s.gate WHEN 'retired' THEN now.next_plan IS NOT NULL ELSE s.queued END AS queued,
  CASE s.gate WHEN 'retired' THEN now.slot ELSE s.name END AS current,
  CASE s.gate WHEN 'retired' THEN coalesce(now.gate, 'retired') ELSE s.gate END AS gate,
  coalesce(u.month, 0) AS month, coalesce(u.monthly_quota, 0) AS monthly_quota,
  (SELECT coalesce((SELECT value ->> 'quota_percent' FROM settings WHERE area = 'alerts'), '')
    FROM wanted WHERE kind = 'user.quota_warning' LIMIT 1) AS percents
FROM json_each(?1) AS asked JOIN slots AS s ON s.name = asked.value LEFT JOIN usage AS u ON u.user = s.user
  LEFT JOIN users AS now ON now.id = CASE s.gate WHEN 'retired' THEN s.user END AND now.deleted_at IS NULL";

/// What a report needs to know of a slot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Holder {
    /// Slot.
    pub name: SlotName,
    /// Its user; none while vacant, and when it was retired unused.
    pub user: Option<i64>,
    /// The slot that its user has now; none when he was deleted.
    pub current: Option<SlotName>,
    /// The gate of that slot.
    pub gate: String,
    /// `usage.revision`.
    pub revision: i64,
    /// Current period, inclusive.
    pub period_start: i64,
    /// Current period, exclusive.
    pub period_end: i64,
    /// How many seconds his account lasts from its first use on; 0 = it has begun.
    pub hold: i64,
    /// From when on a use is a first one.
    pub hold_since: i64,
    /// When it begins unused.
    pub hold_until: Option<i64>,
    /// 1: a plan is queued.
    pub queued: u32,
    /// When his usage begins anew.
    #[serde(flatten)]
    pub cycle: Cycle,
    /// Bytes of the period, without bonus.
    pub month: Bytes,
    /// Per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// JSON list of percents at which somebody wants a warning, the same for all; empty when none were set, none when
    /// nobody wants any.
    pub percents: Option<String>,
}

impl Holder {
    /// The slot whose gate a quota may move. `begins` is the second at which his account's time begins with this report.
    #[must_use]
    pub fn movable(&self, begins: Option<Second>) -> Option<Movable> {
        let (user, current) = (self.user?, self.current.clone()?);
        let end = begins.map(|at| at.plus(self.hold));
        is_movable(&self.gate).then(|| Movable(current, self.gate.clone(), user, end))
    }

    /// Who has a plan queued that may begin with these bytes although no gate moves: he has expired, and is now used up too.
    #[must_use]
    pub fn queued(&self) -> Option<i64> {
        self.user.filter(|_| self.queued == 1 && self.gate == "expired")
    }

    /// When the account's time begins, if bytes that flowed at `at` are its first use: then, or at a time-out before that the
    /// sweep has not seen yet.
    #[must_use]
    pub fn begins(&self, bytes: Bytes, at: Second) -> Option<Second> {
        (self.hold > 0 && !bytes.is_zero() && at.get() >= self.hold_since)
            .then(|| self.hold_until.map_or(at, |until| at.min(Second::clamped(until))))
    }
}

/// Finds the users of slots.
#[must_use]
pub fn find(slots: &[&SlotName]) -> Statement {
    Statement::new(FIND).bind_json(&slots)
}

/// The gate that a usage row `u` calls for, as an SQL expression; the rule of [`weir_wire::grant::Account::is_used_up`]. The
/// bytes of the period may be another expression than the column.
macro_rules! gate_of_usage {
    () => {
        $crate::store::slots::gate_of_usage!("u.month")
    };
    ($month:literal) => {
        concat!(
            "CASE WHEN u.bonus_left > 0 THEN 'open'
  WHEN u.monthly_quota > 0 AND ",
            $month,
            " >= u.monthly_quota THEN 'month'
  WHEN u.total_quota > 0 AND u.lifetime - u.bonus_spent >= u.total_quota THEN 'total' ELSE 'open' END"
        )
    };
}
pub(super) use gate_of_usage;

// Decides the gates of n users anew after their usage changed. [slot, gate as read, user, expiry] each; only those whose
// gate a quota may move are sent, and the expiry only of those whose account has just begun. Rows: 2n read (json_each, usage)
// + 3; per gate that moves: 2 written here (row, index) and 2 by the trigger (the user's mirror, the counter of open users),
// 1 read for each; per account that begins 2 written.
// A gate that moved in between is right all the same: every other writer decides from the same usage row, and bumps
// its revision, so that the report is prepared again.
const DECIDE: &str = concat!(
    "
INSERT INTO slots (name, gate, until, born, changed)
SELECT slot, now_gate, ends_at, 0, 1 + (SELECT max(number) FROM roster_versions) FROM (
  SELECT held.value ->> 0 AS slot, held.value ->> 1 AS was, held.value ->> 3 AS ends_at,
    CASE WHEN held.value ->> 3 <= CAST(?5 AS INTEGER) THEN 'expired' ELSE ",
    gate_of_usage!(),
    " END AS now_gate
  FROM json_each(?1) AS held JOIN usage AS u ON u.user = held.value ->> 2)
WHERE (now_gate <> was OR ends_at IS NOT NULL)
  AND coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)
ON CONFLICT (name) DO UPDATE SET gate = excluded.gate, changed = excluded.changed, until = coalesce(excluded.until, until)
WHERE slots.gate IN ('open', 'month', 'total')"
);

/// A slot whose gate a quota may move: `[slot, gate, user, expiry]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Movable(
    /// Slot.
    pub SlotName,
    /// Gate as read.
    pub String,
    /// User.
    pub i64,
    /// When the account expires whose time begins with this report.
    pub Option<Second>,
);

/// Whether a quota decides this gate; a person's decision, an expiry and a vacancy are not undone by traffic.
fn is_movable(gate: &str) -> bool {
    matches!(gate, "open" | "month" | "total")
}

/// Opens and shuts gates as the usage rows call for. [`number_change`] must follow directly.
#[must_use]
pub fn decide(slots: &[Movable], guard: &epochs::Guard, now: Second) -> Statement {
    guard.bind(Statement::new(DECIDE).bind_json(&slots)).bind(now)
}

// Follows directly on the statement that changed slots: `changes()` looks at no other. Rows: 1 written if it changed
// anything, 1 read.
const NUMBER_CHANGE: &str = "
INSERT INTO roster_versions (number, salt)
SELECT number + 1, CAST(?1 AS INTEGER) FROM (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)
WHERE changes() > 0";

/// Draws the next roster version if the statement before changed a slot.
#[must_use]
pub fn number_change(salt: u32) -> Statement {
    Statement::new(NUMBER_CHANGE).bind(salt)
}

// Rows: 2 written per slot (row, index).
const TOUCH: &str = "
UPDATE slots SET changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE name IN (SELECT value FROM json_each(?1)) AND gate <> 'retired'";

/// Puts slots into every node's next roster change, unchanged: a node that holds a limit for one states it and asks.
/// [`number_change`] must follow directly.
#[must_use]
pub fn touch(slots: &[SlotName]) -> Statement {
    Statement::new(TOUCH).bind_json(&slots)
}

// Bytes of a slot that nobody has: somebody knows its credentials, so nobody gets it any more. Rows: 3 written per slot.
const RETIRE: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE name IN (SELECT value FROM json_each(?1)) AND gate = 'vacant'
  AND coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)";

/// Retires vacant slots that moved bytes. [`number_change`] must follow directly.
#[must_use]
pub fn retire_vacant(slots: &[SlotName], guard: &epochs::Guard) -> Statement {
    guard.bind(Statement::new(RETIRE).bind_json(&slots))
}

// Rows read: 2 per slot (index, row).
const CHANGED_SINCE: &str = "
SELECT name, gate, until, speed, devices, streams, plan, marzban, credentials FROM slots WHERE changed > CAST(?1 AS INTEGER) ORDER BY changed LIMIT ?2";

// Rows read: 1 per slot, and those retired in between.
const PAGE_AFTER: &str = "
SELECT name, gate, until, speed, devices, streams, plan, marzban, credentials FROM slots WHERE name > ?1 AND gate <> 'retired' ORDER BY name LIMIT ?2";

/// A roster entry as stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct EntryRow {
    /// Slot.
    pub name: SlotName,
    /// Gate, or `retired`.
    pub gate: String,
    /// When the agent shuts the gate by itself.
    pub until: Option<i64>,
    /// Bytes a second in each direction, 0 = unlimited.
    pub speed: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    pub devices: u32,
    /// Streams, 0 = unlimited.
    pub streams: u32,
    /// The user's plan.
    pub plan: Option<String>,
    /// JSON of the [`crate::domain::marzban::choice::Choice`] that was made for him.
    pub marzban: Option<String>,
    /// Credentials that were set by hand, sealed.
    pub credentials: Option<String>,
}

/// Slots changed after roster number `since`, one more than a page, so that a longer list shows.
#[must_use]
pub fn changed_since(since: RosterVersion) -> Statement {
    Statement::new(CHANGED_SINCE).bind(Bytes::saturating(since.number)).bind(one_more_than_a_page())
}

/// A page of the full roster, one entry more than a page if there is one.
#[must_use]
pub fn page_after(slot: Option<&SlotName>) -> Statement {
    Statement::new(PAGE_AFTER).bind(slot.map_or("", SlotName::as_str)).bind(one_more_than_a_page())
}

fn one_more_than_a_page() -> u32 {
    u32::try_from(PAGE).unwrap_or(u32::MAX).saturating_add(1)
}

// Rows: 3 written per slot (row, two indexes), n read.
const ADD_VACANT: &str = "
INSERT INTO slots (name, gate, born, changed)
SELECT value, 'vacant', number + 1, number + 1
FROM json_each(?1), (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)
WHERE true ON CONFLICT (name) DO NOTHING";

/// Adds vacant slots. [`number_change`] must follow directly.
#[must_use]
pub fn add_vacant(slots: &[SlotName]) -> Statement {
    Statement::new(ADD_VACANT).bind_json(&slots)
}

// No other vacant slot was born at 0, so the next user takes it: he must be entered in the same batch. Rows: 3 written.
const ADD_BY_HAND: &str = "
INSERT INTO slots (name, gate, born, changed, credentials)
SELECT ?1, 'vacant', 0, number + 1, ?2 FROM (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)";

// Rows: 2 written per credential (row, index), 1 read.
const MARK: &str = "INSERT INTO credential_marks (mark, slot) SELECT value, ?1 FROM json_each(?2)";

/// A slot with credentials that were set by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHandSlot {
    /// Its name.
    pub name: SlotName,
    /// The credentials, sealed.
    pub sealed: String,
    /// What no other slot's credentials may have.
    pub marks: Vec<String>,
}

/// Adds it as the slot that is taken next. A user who takes it must be entered, and [`number_change`] must follow, in the same batch.
#[must_use]
pub fn add_by_hand(slot: &ByHandSlot) -> [Statement; 2] {
    [
        Statement::new(ADD_BY_HAND).bind(slot.name.as_str()).bind(slot.sealed.as_str()),
        Statement::new(MARK).bind(slot.name.as_str()).bind_json(&slot.marks),
    ]
}

// Rows read: 2 per mark (json_each, mark).
const HOLDER_OF_MARK: &str = "
SELECT asked.value AS mark FROM json_each(?1) AS asked JOIN credential_marks AS m ON m.mark = asked.value
WHERE m.slot <> ?2 LIMIT 1";

/// A mark that a slot has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mark {
    /// The mark.
    pub mark: String,
}

/// One of these marks that another slot than `own` has.
#[must_use]
pub fn marked(marks: &[String], own: Option<&SlotName>) -> Statement {
    Statement::new(HOLDER_OF_MARK).bind_json(&marks).bind(own.map_or("", SlotName::as_str))
}

// Rows read: at most half a pool of index entries (5 % of the users, at least 32), and the counter twice.
const VACANCY: &str = "
SELECT value AS users, (SELECT count(*) FROM (SELECT 1 FROM slots WHERE gate = 'vacant'
    LIMIT (SELECT max(32, value / 20) FROM counters WHERE name = 'users'))) AS vacant
FROM counters WHERE name = 'users'";

// Rows read: 2.
const IS_VACANT: &str = "
SELECT value AS users, EXISTS (SELECT 1 FROM slots WHERE gate = 'vacant') AS vacant FROM counters WHERE name = 'users'";

/// How the pool of vacant slots stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Vacancy {
    /// Users that exist.
    pub users: i64,
    /// Vacant slots, counted up to half a pool.
    pub vacant: i64,
}

/// Half of what the pool should hold: 5 % of the users, at least 32.
const fn half_pool(users: i64) -> i64 {
    if users / 20 > 32 { users / 20 } else { 32 }
}

/// Slots made at once at most: 3 rows are written for each.
const REFILL: i64 = 1_000;

impl Vacancy {
    /// How many slots to make: none while the pool is half full, because each refill makes every core load anew.
    #[must_use]
    pub fn lacking(self) -> usize {
        let half = half_pool(self.users);
        let lacking = if self.vacant < half { (2 * half - self.vacant).min(REFILL) } else { 0 };
        usize::try_from(lacking).unwrap_or_default()
    }
}

/// Counts the users and the vacant slots.
#[must_use]
pub fn vacancy() -> Statement {
    Statement::new(VACANCY)
}

/// Counts the users, and vacant slots no further than one.
#[must_use]
pub fn is_vacant() -> Statement {
    Statement::new(IS_VACANT)
}
