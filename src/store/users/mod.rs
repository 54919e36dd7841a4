//! Users: who may pass. What they use stands in [`super::usage`], how they get in in [`super::slots`].

mod deeds;

pub(super) use deeds::renew;
pub use deeds::{Action, Put, act, act_all, act_together, delete, delete_read, describe};

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second, SlotName};

use super::slots::{self, ByHandSlot};
use super::{Statement, gates, quotas};
use crate::domain::period::{Cycle, Period};
use crate::domain::user::{Hold, Standing};

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
    /// Until when he is shut for sharing.
    pub suspended_until: Option<i64>,
    /// From when on he may not pass.
    pub expires_at: Option<i64>,
    /// When he was created.
    pub created_at: i64,
    /// His plan.
    pub plan: Option<String>,
    /// The version of it that he was last given; 0 without one.
    pub plan_version: u32,
    /// Bytes a second in each direction, 0 = unlimited.
    pub speed_limit: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    pub device_limit: u32,
    /// Streams, 0 = unlimited.
    pub stream_limit: u32,
    /// Addresses in five minutes over all nodes, 0 = unlimited; none = the deployment's own limit.
    pub address_limit: Option<u32>,
    /// Devices that may fetch his subscription, 0 = any number; none = the deployment's own limit.
    pub hwid_limit: Option<u32>,
    /// Days after the expiry on which the account is deleted.
    pub delete_after_days: Option<u32>,
    /// The plan that begins when this account is used up or has expired.
    pub next_plan: Option<String>,
    /// 1: what is left of the quota then becomes a bonus.
    pub next_keeps_rest: u32,
    /// 1: it begins on either, 0: only when both have come.
    pub next_on_either: u32,
    /// How many seconds the account lasts from its first use on; 0 = it has begun.
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
    /// Current period, inclusive.
    pub period_start: i64,
    /// Current period, exclusive.
    pub period_end: i64,
    /// End of the newest report with bytes of his; 0 before the first.
    pub last_at: i64,
    /// `usage.revision`.
    pub revision: i64,
    /// Credentials that were set by hand, sealed.
    pub credentials: Option<String>,
    /// The operator whose user he is; none = the panel's own.
    pub owner: Option<i64>,
    /// JSON of the [`crate::domain::marzban::choice::Choice`] that was made for him; none = he has every way in.
    pub marzban: Option<String>,
    /// JSON of [`crate::domain::plan::NextValues`], which begin instead of a plan; `next_plan` is empty then.
    pub next_values: Option<String>,
}

impl User {
    /// The period that he is in at `now`; the stored one may have ended unnoticed.
    #[must_use]
    pub fn period(&self, now: Second) -> Period {
        let (start, end) = (Second::clamped(self.period_start), Second::clamped(self.period_end));
        self.cycle.current(Period { start, end }, now)
    }

    /// Where another cycle ends the period that he is in at `now`: at its first boundary to come.
    #[must_use]
    pub fn moved_end(&self, cycle: Cycle, now: Second) -> Second {
        cycle.containing(now, self.period(now).start).end
    }

    /// What decides his gate.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            disabled: self.disabled_at.is_some(),
            suspended_until: self.suspended_until.map(Second::clamped),
            expires_at: self.expires_at.map(Second::clamped),
            hold: hold(self.hold, self.hold_until),
            monthly_quota: self.monthly_quota,
            total_quota: self.total_quota,
            month: self.month,
            lifetime: self.lifetime,
            bonus_left: self.bonus_left,
            bonus_spent: self.bonus_spent,
        }
    }

    /// The same in the period that he is in at `now`: one that has ended unnoticed, because nothing has been written since, counts
    /// no more.
    #[must_use]
    pub fn standing_at(&self, now: Second) -> Standing {
        let month = if self.period_end <= now.get() { Bytes::ZERO } else { self.month };
        Standing { month, ..self.standing() }
    }
}

/// A hold as two columns of the usage row say it.
pub(super) fn hold(seconds: i64, until: Option<i64>) -> Option<Hold> {
    (seconds > 0).then(|| Hold { seconds, until: until.map(Second::clamped) })
}

macro_rules! columns {
    () => {
        "SELECT users.id, name, email, note, slot, generation, disabled_at, suspended_until, expires_at, created_at,
  plan, plan_version, speed_limit, device_limit, stream_limit, address_limit, hwid_limit, delete_after_days,
  next_plan, next_keeps_rest, next_on_either, hold, hold_until,
  monthly_quota, total_quota, month, lifetime, bonus_left, bonus_spent, reset_strategy, reset_day, time_zone,
  period_start, period_end, last_at, revision, users.credentials, users.owner, users.marzban, users.next_values "
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

// The oldest vacant slot is the one that the nodes are most likely to have loaded. A batch is a transaction, so two
// creations at once never take the same one; without any vacant slot nothing is inserted.
// Rows: 2 read, 4 written (row, two indexes, the counter).
const INSERT: &str = "
INSERT INTO users (name, email, note, gate, slot, credentials, expires_at, created_at, plan, plan_version, speed_limit, device_limit,
  stream_limit, address_limit, hwid_limit, delete_after_days, next_plan, next_values, next_keeps_rest, next_on_either, marzban,
  disabled_at, links_since)
SELECT ?1 ->> 'name', ?1 ->> 'email', coalesce(?1 ->> 'note', ''), 'vacant', slots.name, slots.credentials, ?1 ->> 'expires_at',
  coalesce(?1 ->> 'created_at', CAST(?2 AS INTEGER)), (SELECT plans.name FROM plans WHERE plans.name = ?1 ->> 'plan'),
  coalesce(?1 ->> 'plan_version', 0), coalesce(?1 ->> 'speed_limit', 0),
  coalesce(?1 ->> 'device_limit', 0), coalesce(?1 ->> 'stream_limit', 0), ?1 ->> 'address_limit', ?1 ->> 'hwid_limit', ?1 ->> 'delete_after_days',
  CASE json_type(?1, '$.next_plan.values') WHEN 'object' THEN '' ELSE (SELECT plans.name FROM plans WHERE plans.name = ?1 ->> '$.next_plan.plan') END,
  ?1 -> '$.next_plan.values', coalesce(?1 ->> '$.next_plan.add_remaining_traffic', 0),
  coalesce(?1 ->> '$.next_plan.fire_on_either', 1), ?1 -> '$.marzban',
  CASE WHEN ?1 ->> 'disabled' THEN CAST(?2 AS INTEGER) END, ?1 ->> 'links_since'
FROM slots WHERE gate = 'vacant' ORDER BY born, slots.name LIMIT 1";

/// Creates a user in his first period and opens his slot. The last statement returns him; no row comes back when no slot
/// was vacant. `by_hand` is his slot, if it has credentials of its own. `user` serialises to the fields of the API, with `plan` as [`crate::store::plans`] has it, and with `hold`,
/// `hold_since` and `hold_until` if his account waits; those of a plan, of limits, of a hold and of
/// what he brings along from another panel may be missing.
#[must_use]
pub fn create<T: Serialize>(
    user: &T,
    name: &str,
    by_hand: Option<&ByHandSlot>,
    period: (Second, Second),
    salt: u32,
    now: Second,
) -> Vec<Statement> {
    let mut batch: Vec<Statement> = by_hand.map(slots::add_by_hand).into_iter().flatten().collect();
    batch.extend([
        Statement::new(INSERT).bind_json(user).bind(now),
        quotas::open(user, period),
        gates::settle_new(name, now),
        slots::number_change(salt),
        gates::schedule_new(name, now),
        by_name(name),
    ]);
    batch
}
