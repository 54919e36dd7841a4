//! What persons and the clock change in a usage row. Each change raises its revision: a report that was prepared on an
//! older one then fails, rolls back whole, and is prepared again.

use serde::Serialize;
use weir_wire::Second;

use super::Statement;
use super::users::Put;

const OPEN: &str = "
INSERT INTO usage (user, monthly_quota, total_quota, reset_strategy, reset_day, time_zone, period_start, period_end,
  hold, hold_since, hold_until, month, lifetime, brought_month, brought_total)
SELECT id, ?1 ->> 'monthly_quota', ?1 ->> 'total_quota', ?1 ->> 'reset_strategy', ?1 ->> 'reset_day', ?1 ->> 'time_zone',
  CAST(?2 AS INTEGER), CAST(?3 AS INTEGER),
  coalesce(?1 ->> 'hold', 0), coalesce(?1 ->> 'hold_since', 0), ?1 ->> 'hold_until',
  coalesce(?1 ->> 'monthly_used', 0), coalesce(?1 ->> 'total_used', 0), coalesce(?1 ->> 'monthly_used', 0), coalesce(?1 ->> 'total_used', 0)
FROM users WHERE name = ?1 ->> 'name' COLLATE NOCASE AND deleted_at IS NULL";

/// Opens the usage row of a user who was inserted in this batch.
#[must_use]
pub(super) fn open<T: Serialize>(user: &T, period: (Second, Second)) -> Statement {
    Statement::new(OPEN).bind_json(user).bind(period.0).bind(period.1)
}

// Rows per user: 3 read, 1 written.
const CHANGE: &str = "
UPDATE usage SET revision = revision + 1,
  monthly_quota = coalesce(given ->> 'monthly_quota', monthly_quota),
  total_quota = coalesce(given ->> 'total_quota', total_quota),
  reset_strategy = coalesce(given ->> 'reset_strategy', reset_strategy),
  reset_day = coalesce(given ->> 'reset_day', reset_day),
  time_zone = coalesce(given ->> 'time_zone', time_zone),
  hold = coalesce(given ->> 'hold', hold),
  hold_since = coalesce(given ->> 'hold_since', hold_since),
  hold_until = CASE WHEN json_type(given, '$.hold_until') IS NULL THEN hold_until ELSE given ->> 'hold_until' END,
  period_end = coalesce(given_end, period_end)
FROM (SELECT value ->> 'user' AS of_user, value -> 'set' AS given, value ->> 'period_end' AS given_end FROM json_each(?1))
WHERE user = of_user";

/// Changes quotas, cycles and holds.
#[must_use]
pub(super) fn change<T: Serialize>(puts: &[Put<'_, T>]) -> Statement {
    Statement::new(CHANGE).bind_json(&puts)
}

// Rows per user: 2 read, 1 written.
const TOUCH_ALL: &str = "UPDATE usage SET revision = revision + 1 WHERE user IN (SELECT value FROM json_each(?1))";

/// Raises the revision only, for a change that stands in another row.
#[must_use]
pub(super) fn touch_all(users: &[i64]) -> Statement {
    Statement::new(TOUCH_ALL).bind_json(&users)
}

// Rows per user: 3 read, 2 written (the period's row by trigger). The start never moves back: the clocks of two places differ.
const RESET: &str = "
UPDATE usage SET revision = revision + 1, period_start = max(period_start, CAST(?2 AS INTEGER)), month = 0,
  period_end = max(new_end, period_start + 1)
FROM (SELECT value ->> 0 AS of_user, value ->> 1 AS new_end FROM json_each(?1))
WHERE user = of_user";

/// Begins new periods now, which end as said; the lifetimes stay.
#[must_use]
pub(super) fn reset(ends: &[(i64, Second)], now: Second) -> Statement {
    Statement::new(RESET).bind_json(&ends).bind(now)
}

// Rows: 3 read per user, 2 written (the period's row by trigger). A user whose period moved since it was read (a report
// rolled it over) is left alone.
const ROLL: &str = "
UPDATE usage SET revision = revision + 1, period_start = now_start, period_end = now_end, month = 0
FROM (SELECT value ->> 0 AS of_user, value ->> 1 AS was_end, value ->> 2 AS now_start, value ->> 3 AS now_end
  FROM json_each(?1))
WHERE user = of_user AND period_end = was_end";

/// A period that has ended, and the one that follows: `[user, end as read, new start, new end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Roll(
    /// User.
    pub i64,
    /// End of the period that has ended.
    pub Second,
    /// Start of the new one.
    pub Second,
    /// Its end.
    pub Second,
);

/// Begins new periods.
#[must_use]
pub fn roll(periods: &[Roll]) -> Statement {
    Statement::new(ROLL).bind_json(&periods)
}
