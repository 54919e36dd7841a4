//! Plans: what users are given together, and giving it to them.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::{Statement, gates, packages, slots};
use crate::domain::limits::{Count, Days};
use crate::domain::period::{AnchorDay, Strategy};
use crate::domain::plan::Terms;

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name.
    pub name: String,
    /// Rises with every change.
    pub version: u32,
    /// Bytes per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// Bytes over the lifetime, 0 = unlimited.
    pub total_quota: Bytes,
    /// How usage begins anew.
    pub reset_strategy: Strategy,
    /// On which day of the month; none leaves it to the user.
    pub reset_day: Option<AnchorDay>,
    /// How long a new account lasts, 0 = without end.
    pub duration_days: Days,
    /// Bytes a second in each direction, 0 = unlimited.
    pub speed_limit: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    pub device_limit: Count,
    /// Streams, 0 = unlimited.
    pub stream_limit: Count,
    /// Addresses in five minutes over all nodes, 0 = unlimited; none = the deployment's own limit.
    pub address_limit: Option<Count>,
    /// The version that a job is giving to the plan's users.
    #[serde(skip_serializing)]
    pub applying: Option<u32>,
}

impl Plan {
    /// What a user has of it whose own reset day is `day`.
    #[must_use]
    pub fn terms(&self, day: AnchorDay) -> Terms {
        Terms {
            monthly_quota: self.monthly_quota,
            total_quota: self.total_quota,
            reset_strategy: self.reset_strategy,
            reset_day: self.reset_day.unwrap_or(day),
            speed_limit: self.speed_limit,
            device_limit: self.device_limit,
            stream_limit: self.stream_limit,
            address_limit: self.address_limit,
        }
    }

    /// When an account of this plan expires that begins at `at`.
    #[must_use]
    pub fn expires(&self, at: Second) -> Option<Second> {
        (self.duration_days.get() > 0).then(|| at.plus(i64::from(self.duration_days.get()) * 86_400))
    }
}

macro_rules! columns {
    () => {
        "name, version, monthly_quota, total_quota, reset_strategy, reset_day, duration_days, speed_limit, device_limit,
  stream_limit, address_limit, applying"
    };
}

// Rows read: 1 per plan.
const ALL: &str = concat!("SELECT ", columns!(), " FROM plans ORDER BY name");
// Rows read: 1.
const BY_NAME: &str = concat!("SELECT ", columns!(), " FROM plans WHERE name = ?1");

/// All plans, by name.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}

/// Finds a plan by name, without case.
#[must_use]
pub fn by_name(name: &str) -> Statement {
    Statement::new(BY_NAME).bind(name)
}

// Rows: 1 written.
const CREATE: &str = concat!(
    "
INSERT INTO plans (name, monthly_quota, total_quota, reset_strategy, reset_day, duration_days, speed_limit, device_limit,
  stream_limit, address_limit)
SELECT ?1 ->> 'name', ?1 ->> 'monthly_quota', ?1 ->> 'total_quota', ?1 ->> 'reset_strategy', ?1 ->> 'reset_day',
  ?1 ->> 'duration_days', ?1 ->> 'speed_limit', ?1 ->> 'device_limit', ?1 ->> 'stream_limit', ?1 ->> 'address_limit'
RETURNING ",
    columns!()
);

/// Enters a plan; returns it.
#[must_use]
pub fn create(plan: &Plan) -> Statement {
    Statement::new(CREATE).bind_json(plan)
}

// Rows: 1 read, 1 written. Who is being given the plan is given no more of it: nobody has seen what the new values change.
const CHANGE: &str = concat!(
    "
UPDATE plans SET monthly_quota = ?1 ->> 'monthly_quota', total_quota = ?1 ->> 'total_quota',
  reset_strategy = ?1 ->> 'reset_strategy', reset_day = ?1 ->> 'reset_day', duration_days = ?1 ->> 'duration_days',
  speed_limit = ?1 ->> 'speed_limit', device_limit = ?1 ->> 'device_limit', stream_limit = ?1 ->> 'stream_limit',
  address_limit = ?1 ->> 'address_limit', version = version + 1, applying = NULL
WHERE name = ?1 ->> 'name' AND version = ?1 ->> 'version'
RETURNING ",
    columns!()
);

/// Puts a plan in the place of the version that it was read as; returns it, unless somebody else has changed it meanwhile.
#[must_use]
pub fn change(plan: &Plan) -> Statement {
    Statement::new(CHANGE).bind_json(plan)
}

// Rows: 3 read, 1 written.
const DELETE: &str = "
DELETE FROM plans WHERE name = ?1
  AND NOT EXISTS (SELECT 1 FROM users WHERE plan = ?1 AND deleted_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM users WHERE next_plan = ?1 AND deleted_at IS NULL)";

/// Deletes a plan that nobody has or waits for.
#[must_use]
pub fn delete(name: &str) -> Statement {
    Statement::new(DELETE).bind(name)
}

// Rows: 1 read, 1 written.
const APPLY: &str = "
UPDATE plans SET applying = version WHERE name = ?1 AND version = CAST(?2 AS INTEGER)";

/// Has a version of a plan given to its users, if it is the newest.
#[must_use]
pub fn apply(name: &str, version: u32) -> Statement {
    Statement::new(APPLY).bind(name).bind(version)
}

// Rows: 1 read, 1 written.
const APPLIED: &str = "UPDATE plans SET applying = NULL WHERE name = ?1 AND applying = CAST(?2 AS INTEGER)";

/// Notes that a version of a plan was given to all its users.
#[must_use]
pub fn applied(plan: &Plan) -> Statement {
    Statement::new(APPLIED).bind(plan.name.as_str()).bind(plan.version)
}

/// What one user is given, and the row that it was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gift<'a> {
    /// User.
    pub user: i64,
    /// `usage.revision` as read.
    pub revision: i64,
    /// Lifetime as read.
    pub lifetime: Bytes,
    /// The plan, or the values that he is given instead.
    #[serde(flatten)]
    pub terms: Given<'a>,
    /// Begin of the period that he is in from now on.
    pub period_start: Second,
    /// Its end.
    pub period_end: Second,
    /// The plan begins anew; without it he is given what has changed.
    #[serde(flatten)]
    pub begins: Option<Begins>,
}

/// What a gift consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Given<'a> {
    /// All values of a plan.
    Plan(&'a Plan),
    /// The quota alone; plan, cycle and limits stay.
    Quota {
        /// Bytes per period, 0 = unlimited.
        monthly_quota: Bytes,
    },
}

/// What a plan that begins brings beside its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Begins {
    /// When the account expires, if it does.
    pub expires_at: Option<Second>,
    /// The total quota: the plan's, counted from now on; none leaves it as it is.
    pub total_from_now: Option<Bytes>,
    /// What was left of the quota before, as a bonus.
    pub bonus: Bytes,
}

// Before GIVE_USAGE, which raises the revision. Rows per user: 3 read, 3 written (row, two index entries).
const GIVE_USER: &str = "
UPDATE users SET plan = coalesce(gift ->> 'name', plan), plan_version = coalesce(gift ->> 'version', plan_version),
  speed_limit = coalesce(gift ->> 'speed_limit', speed_limit), device_limit = coalesce(gift ->> 'device_limit', device_limit),
  stream_limit = coalesce(gift ->> 'stream_limit', stream_limit),
  address_limit = CASE WHEN gift ->> 'name' IS NULL THEN address_limit ELSE gift ->> 'address_limit' END,
  expires_at = CASE WHEN json_type(gift, '$.bonus') IS NULL THEN expires_at ELSE gift ->> 'expires_at' END,
  next_plan = CASE WHEN json_type(gift, '$.bonus') IS NULL THEN next_plan END,
  next_values = CASE WHEN json_type(gift, '$.bonus') IS NULL THEN next_values END
FROM (SELECT value AS gift, u.user AS of_user FROM json_each(?1) JOIN usage AS u
  ON u.user = value ->> 'user' AND u.revision = value ->> 'revision' AND u.lifetime = value ->> 'lifetime')
WHERE users.id = of_user AND users.deleted_at IS NULL";

// `next_start` tells the trigger of events that what was queued begins this period. Rows per user: 1 read (json_each), 1 written, and 1 per period
// that ends (by trigger).
const GIVE_USAGE: &str = "
INSERT INTO usage (user, job) SELECT value ->> 'user', value FROM json_each(?1) WHERE true
ON CONFLICT (user) DO UPDATE SET revision = revision + 1,
  monthly_quota = excluded.job ->> 'monthly_quota',
  total_quota = coalesce(excluded.job ->> 'total_from_now', excluded.job ->> 'total_quota', total_quota),
  reset_strategy = coalesce(excluded.job ->> 'reset_strategy', reset_strategy), reset_day = coalesce(excluded.job ->> 'reset_day', reset_day),
  month = CASE WHEN period_start = excluded.job ->> 'period_start' AND json_type(excluded.job, '$.bonus') IS NULL
    THEN month ELSE 0 END,
  period_start = excluded.job ->> 'period_start', period_end = excluded.job ->> 'period_end',
  next_start = CASE WHEN json_type(excluded.job, '$.bonus') IS NULL THEN next_start ELSE excluded.job ->> 'period_start' END,
  bonus_left = min(bonus_left + coalesce(excluded.job ->> 'bonus', 0), 9007199254740991),
  hold = CASE WHEN json_type(excluded.job, '$.bonus') IS NULL THEN hold ELSE 0 END
WHERE revision = excluded.job ->> 'revision' AND lifetime = excluded.job ->> 'lifetime'";

/// Gives a plan's values to users, makes every node that holds a limit for them ask, and says when to look again. Who was
/// changed or reported since he was read stays as he is.
///
/// One batch. Rows read: at most 18 per user, and those of his packages; written: 9, and 1 per period that ends.
#[must_use]
pub fn give(gifts: &[Gift<'_>], salt: u32, now: Second) -> Vec<Statement> {
    let users: Vec<i64> = gifts.iter().map(|gift| gift.user).collect();
    vec![
        // A plan that begins may add to the bonus.
        packages::settle(&users),
        Statement::new(GIVE_USER).bind_json(&gifts),
        Statement::new(GIVE_USAGE).bind_json(&gifts),
        gates::settle_all(&users, now),
        slots::number_change(salt),
        gates::schedule(&users, now),
    ]
}

// Rows per user: 2 read, 2 written.
const FORGET_NEXT: &str =
    "UPDATE users SET next_plan = NULL, next_values = NULL WHERE id IN (SELECT value FROM json_each(?1))";

/// Forgets the queued plan of users, because there is no such plan any more.
#[must_use]
pub fn forget_next(users: &[i64], now: Second) -> Vec<Statement> {
    vec![Statement::new(FORGET_NEXT).bind_json(&users), gates::schedule(users, now)]
}
