//! What a report needs to know of its slots, and what it does to them.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second, SlotName};

use super::gate_of_usage;
use crate::domain::period::Cycle;
use crate::store::{Statement, epochs};

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

/// Opens and shuts gates as the usage rows call for. [`super::number_change`] must follow directly.
#[must_use]
pub fn decide(slots: &[Movable], guard: &epochs::Guard, now: Second) -> Statement {
    guard.bind(Statement::new(DECIDE).bind_json(&slots)).bind(now)
}

// Bytes of a slot that nobody has: somebody knows its credentials, so nobody gets it any more. Rows: 3 written per slot.
const RETIRE: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE name IN (SELECT value FROM json_each(?1)) AND gate = 'vacant'
  AND coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)";

/// Retires vacant slots that moved bytes. [`super::number_change`] must follow directly.
#[must_use]
pub fn retire_vacant(slots: &[SlotName], guard: &epochs::Guard) -> Statement {
    guard.bind(Statement::new(RETIRE).bind_json(&slots))
}
