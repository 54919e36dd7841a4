//! Users whose plan has changed since they were given it.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::Statement;
use super::plans::{Gift, Given, Plan};
use crate::domain::period::Cycle;
use crate::domain::plan::Terms;
use crate::domain::zone::Zone;

/// Users of plan `?1` who were last given a version before `?2`, as their index orders them.
macro_rules! outdated {
    () => {
        "FROM users WHERE plan = ?1 AND plan_version < CAST(?2 AS INTEGER) AND deleted_at IS NULL ORDER BY plan_version, id"
    };
}

// Rows read: 1 per user left out before, and 3 per user shown.
const PAGE: &str = concat!(
    "
SELECT users.id, users.name, u.revision, u.lifetime, u.period_start, u.period_end, u.time_zone,
  u.monthly_quota, u.total_quota, u.reset_strategy, u.reset_day,
  users.speed_limit, users.device_limit, users.stream_limit, users.address_limit
FROM (SELECT id ",
    outdated!(),
    " LIMIT ?3 OFFSET ?4) AS page
CROSS JOIN users ON users.id = page.id JOIN usage AS u ON u.user = users.id"
);

/// A user of a plan as he stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PlanUser {
    /// User.
    pub id: i64,
    /// Name.
    pub name: String,
    /// `usage.revision`.
    pub revision: i64,
    /// Used since he was created, bonus included.
    pub lifetime: Bytes,
    /// Start of his period.
    pub period_start: i64,
    /// Its end.
    pub period_end: i64,
    /// Whose midnight.
    pub time_zone: Zone,
    /// What he has of the plan.
    #[serde(flatten)]
    pub terms: Terms,
}

impl PlanUser {
    /// What he has once the plan is applied to him.
    #[must_use]
    pub fn after(&self, plan: &Plan) -> Terms {
        plan.terms(self.terms.reset_day)
    }

    /// What is to be written for that. A period of his that ended unnoticed is closed first, and a changed cycle moves the end
    /// of the one that he is in.
    #[must_use]
    pub fn gift<'a>(&self, plan: &'a Plan, now: Second) -> Gift<'a> {
        let cycle = |terms: Terms| Cycle { strategy: terms.reset_strategy, day: terms.reset_day, zone: self.time_zone };
        let (old, new) = (cycle(self.terms), cycle(self.after(plan)));
        let (start, end) = (Second::clamped(self.period_start), Second::clamped(self.period_end));
        let start = if end <= now { old.containing(now, start).start } else { start };
        let stays = now < end && old == new;
        Gift {
            user: self.id,
            revision: self.revision,
            lifetime: self.lifetime,
            terms: Given::Plan(plan),
            period_start: start,
            period_end: if stays { end } else { new.containing(now, start).end },
            begins: None,
        }
    }
}

/// Users whom applying `plan` would reach.
#[must_use]
pub fn page(plan: &Plan, limit: u32, offset: u32) -> Statement {
    Statement::new(PAGE).bind(plan.name.as_str()).bind(plan.version).bind(limit).bind(offset)
}

// Rows read: 3 per user whom applying would reach.
const COUNTS: &str = concat!(
    "
SELECT count(*) AS users,
  coalesce(sum(u.monthly_quota <> p.monthly_quota), 0) AS monthly_quota,
  coalesce(sum(u.total_quota <> p.total_quota), 0) AS total_quota,
  coalesce(sum(u.reset_strategy <> p.reset_strategy), 0) AS reset_strategy,
  coalesce(sum(u.reset_day <> coalesce(p.reset_day, u.reset_day)), 0) AS reset_day,
  coalesce(sum(users.speed_limit <> p.speed_limit), 0) AS speed_limit,
  coalesce(sum(users.device_limit <> p.device_limit), 0) AS device_limit,
  coalesce(sum(users.stream_limit <> p.stream_limit), 0) AS stream_limit,
  coalesce(sum(users.address_limit IS NOT p.address_limit), 0) AS address_limit
FROM (SELECT id AS of_user ",
    outdated!(),
    ") CROSS JOIN users ON users.id = of_user JOIN usage AS u ON u.user = of_user JOIN plans AS p ON p.name = ?1"
);

/// How many users applying a plan would reach, and of how many it would change each field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Counts {
    /// Users in all; not a field.
    #[serde(skip_serializing)]
    pub users: u32,
    monthly_quota: u32,
    total_quota: u32,
    reset_strategy: u32,
    reset_day: u32,
    speed_limit: u32,
    device_limit: u32,
    stream_limit: u32,
    address_limit: u32,
}

impl Counts {
    /// By field, in the order of [`Terms`].
    #[must_use]
    pub const fn each(&self) -> [u32; 8] {
        [
            self.monthly_quota,
            self.total_quota,
            self.reset_strategy,
            self.reset_day,
            self.speed_limit,
            self.device_limit,
            self.stream_limit,
            self.address_limit,
        ]
    }
}

/// Counts the users whom applying `plan` would reach.
#[must_use]
pub fn counts(plan: &Plan) -> Statement {
    Statement::new(COUNTS).bind(plan.name.as_str()).bind(plan.version)
}

// Rows read: 1 per user of the plan.
const HOLDERS: &str = "
SELECT count(*) AS users, coalesce(sum(plan_version < CAST(?2 AS INTEGER)), 0) AS outdated
FROM users WHERE plan = ?1 AND deleted_at IS NULL";

/// How many have a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Holders {
    /// Users who have it.
    pub users: u32,
    /// Those of them who were last given an older version.
    pub outdated: u32,
}

/// Counts the users of `plan`.
#[must_use]
pub fn holders(plan: &Plan) -> Statement {
    Statement::new(HOLDERS).bind(plan.name.as_str()).bind(plan.version)
}

// Rows read: 1 per plan, and 1 per user who has one.
const ALL_HOLDERS: &str = "
SELECT p.name AS name, count(u.id) AS users, coalesce(sum(u.plan_version < p.version), 0) AS outdated
FROM plans AS p LEFT JOIN users AS u ON u.plan = p.name AND u.deleted_at IS NULL GROUP BY p.name";

/// How many have which plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PlanHolders {
    /// The plan.
    pub name: String,
    /// Those who have it.
    #[serde(flatten)]
    pub holders: Holders,
}

/// Counts the users of every plan.
#[must_use]
pub fn all_holders() -> Statement {
    Statement::new(ALL_HOLDERS)
}

// Rows read: 2.
const WANTED: &str = "
SELECT EXISTS (SELECT 1 FROM users WHERE plan = ?1 AND deleted_at IS NULL)
  OR EXISTS (SELECT 1 FROM users WHERE next_plan = ?1 AND deleted_at IS NULL) AS is_wanted";

/// Whether anybody has a plan or waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Wanted {
    /// 1 if so.
    pub is_wanted: u32,
}

/// Looks whether anybody has the plan of a name or waits for it.
#[must_use]
pub fn wanted(name: &str) -> Statement {
    Statement::new(WANTED).bind(name)
}
