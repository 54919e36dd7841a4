//! Users at whom the sweep must look, because time alone changes something about them.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::{Statement, gates, slots, users};
use crate::domain::due::{Account, Next};
use crate::domain::period::{Cycle, Period};
use crate::domain::user::{Standing, gate};

macro_rules! columns {
    () => {
        "
SELECT users.id, users.gate, users.disabled_at, users.suspended_until, users.expires_at, users.delete_after_days,
  users.next_plan, users.next_values, users.next_keeps_rest, users.next_on_either, u.hold, u.hold_until, u.monthly_quota, u.total_quota,
  u.month, u.lifetime, u.bonus_left, u.bonus_spent, u.reset_strategy, u.reset_day, u.time_zone, u.period_start, u.period_end, u.revision
FROM users JOIN usage AS u ON u.user = users.id "
    };
}

// Rows read: 2 per user who is due (finding him by the index counts no row of its own).
const DUE: &str = concat!(columns!(), "WHERE users.due_at <= CAST(?1 AS INTEGER) ORDER BY users.due_at LIMIT ?2");
// Rows read: 2.
const OF_USER: &str = concat!(columns!(), "WHERE users.id = ?1 AND users.deleted_at IS NULL");
// Rows read: 2.
const ENDED: &str = concat!(columns!(), "WHERE users.id = ?1 AND u.period_end <= CAST(?2 AS INTEGER)");

/// What is to be done about a user who is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A period, or nothing but another second at which to look again.
    Turn,
    /// A hold has timed out, or a suspension is over.
    Ends,
    /// The plan that is queued begins.
    NextPlan,
    /// The account was to be deleted so long after its expiry.
    Delete,
}

/// A user who is due.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Due {
    /// User.
    pub id: i64,
    /// His slot's gate.
    pub gate: String,
    /// When a person shut him out.
    pub disabled_at: Option<i64>,
    /// Until when he is shut for sharing.
    pub suspended_until: Option<i64>,
    /// From when on he may not pass.
    pub expires_at: Option<i64>,
    /// Days after the expiry on which the account is deleted.
    pub delete_after_days: Option<u32>,
    /// The plan that is queued; empty if values are.
    pub next_plan: Option<String>,
    /// JSON of [`crate::domain::plan::NextValues`] that are queued instead of a plan.
    pub next_values: Option<String>,
    /// 1: what is left of the quota becomes a bonus when it begins.
    pub next_keeps_rest: u32,
    /// 1: it begins when he is used up or has expired, 0: when he is both.
    pub next_on_either: u32,
    /// How many seconds his account lasts from its first use on; 0 = it has begun.
    pub hold: i64,
    /// When it begins unused.
    pub hold_until: Option<i64>,
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
    /// Start of his period.
    pub period_start: i64,
    /// End of his period.
    pub period_end: i64,
    /// `usage.revision`.
    pub revision: i64,
}

impl Due {
    /// The period that he is in at `now`.
    #[must_use]
    pub fn period(&self, now: Second) -> Period {
        let (start, end) = (Second::clamped(self.period_start), Second::clamped(self.period_end));
        self.cycle.current(Period { start, end }, now)
    }

    /// What decides his gate at `now`, in the period that he is in then.
    #[must_use]
    pub fn standing(&self, now: Second) -> Standing {
        let month = if self.period_end <= now.get() { Bytes::ZERO } else { self.month };
        Standing {
            disabled: self.disabled_at.is_some(),
            suspended_until: self.suspended_until.map(Second::clamped),
            expires_at: self.expires_at.map(Second::clamped),
            hold: users::hold(self.hold, self.hold_until),
            monthly_quota: self.monthly_quota,
            total_quota: self.total_quota,
            month,
            lifetime: self.lifetime,
            bonus_left: self.bonus_left,
            bonus_spent: self.bonus_spent,
        }
    }

    /// What time may change of him, in the period that he is in at `now`.
    fn account(&self, now: Second) -> Account {
        let next = if self.next_on_either == 1 { Next::OnEither } else { Next::OnBoth };
        Account {
            standing: self.standing(now),
            period_end: self.period(now).end,
            delete_after_days: self.delete_after_days,
            next: self.next_plan.as_ref().map(|_| next),
        }
    }

    /// What is to be done about him at `now`, the first of what is due: he stays due for the rest.
    #[must_use]
    pub fn event(&self, now: Second) -> Event {
        let account = self.account(now);
        let is_over = |at: Option<i64>| at.is_some_and(|at| at <= now.get());
        if is_over(self.suspended_until) || (self.hold > 0 && is_over(self.hold_until)) {
            Event::Ends
        } else if account.next_begins(now) {
            Event::NextPlan
        } else if account.is_over(now) {
            Event::Delete
        } else {
            Event::Turn
        }
    }
}

/// The users who are due, at most `limit`, the longest overdue first.
#[must_use]
pub fn due(now: Second, limit: u32) -> Statement {
    Statement::new(DUE).bind(now).bind(limit)
}

/// A user as the sweep sees him, whether he is due or not.
#[must_use]
pub fn of_user(user: i64) -> Statement {
    Statement::new(OF_USER).bind(user)
}

// Rows read: 1.
const NEXT: &str = "SELECT min(due_at) AS due_at FROM users WHERE due_at IS NOT NULL";

/// What [`next`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct NextDue {
    /// The second at which the next user is due.
    pub due_at: Option<i64>,
}

/// When the next user is due.
#[must_use]
pub fn next() -> Statement {
    Statement::new(NEXT)
}

/// A user, if his period has ended.
#[must_use]
pub fn ended(user: i64, now: Second) -> Statement {
    Statement::new(ENDED).bind(user).bind(now)
}

// Begins new periods, and says when to look again. Whoever was changed or reported since he was read stays as he is, and
// stays due: his lifetime has grown, his revision has risen, or his account has begun.
// Rows: 2 read per user (json_each, and his row of `users` by trigger); written: 3 per user (usage; his row of `users` and
// its index entry, by trigger), and 1 per period that ends (by trigger).
const TURN: &str = "
INSERT INTO usage (user, job) SELECT value ->> 0, value FROM json_each(?1) WHERE true
ON CONFLICT (user) DO UPDATE SET
  month = CASE WHEN period_end = excluded.job ->> 4 THEN month ELSE 0 END,
  revision = revision + (period_end <> excluded.job ->> 4),
  period_start = excluded.job ->> 3, period_end = excluded.job ->> 4, due = excluded.job ->> 5
WHERE revision = excluded.job ->> 1 AND lifetime = excluded.job ->> 2 AND hold = excluded.job ->> 6";

/// `[user, revision as read, lifetime as read, period's start, its end, next second at which he is due, hold as read]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Turn(i64, i64, Bytes, Second, Second, Second, i64);

/// Does what time asks for of those who are due for [`Event::Turn`]: begins new periods, moves the gates that must move, and
/// says when to look again. A person's "disabled" is never undone; a gate opens again only if a quota was the reason.
///
/// One batch. Rows read: 2 per user; written: 4 per user. Per gate that moves 8 more read and 4 more written.
#[must_use]
pub fn turn(due: &[&Due], salt: u32, now: Second) -> Vec<Statement> {
    let turns: Vec<Turn> = due
        .iter()
        .map(|due| {
            let Period { start, end } = due.period(now);
            Turn(due.id, due.revision, due.lifetime, start, end, due.account(now).due_at(now), due.hold)
        })
        .collect();
    let moving = due.iter().filter(|due| due.gate != gate(&due.standing(now), now).name()).map(|due| due.id);
    let moving: Vec<i64> = moving.collect();
    let mut batch = vec![Statement::new(TURN).bind_json(&turns)];
    if !moving.is_empty() {
        batch.push(gates::settle_moved(&moving, now));
        batch.push(slots::number_change(salt));
    }
    batch
}
