//! What a reseller may hand out: so many users, and so many bytes that they may use in a month. These statements stand behind the
//! change in its own batch, so whatever is asked for at once, none of it goes beyond.

use weir_wire::Second;

use super::Statement;

// Rows read: 1, and 1 per user of his. Rows written: none, unless it fails.
const USERS: &str = "
UPDATE operators SET over_users = 1
WHERE id = ?1 AND user_allowance < (SELECT count(*) FROM users WHERE owner = ?1 AND deleted_at IS NULL)";

/// Bytes that a user may use in 31 days, by his quotas as they are and by all that he was ever given on top. Without a quota there is
/// no bound; a queued plan would bring one that nobody looks at when it begins.
macro_rules! month_of_user {
    () => {
        "CASE WHEN (monthly_quota = 0 AND total_quota = 0) OR next_plan IS NOT NULL THEN 1e300
    ELSE min(iif(monthly_quota = 0, 1e300, monthly_quota * CASE reset_strategy WHEN 'day' THEN 31 WHEN 'week' THEN 5 ELSE 1 END),
      iif(total_quota = 0, 1e300, total_quota)) + bonus_left + bonus_spent END AS bytes
  FROM users JOIN usage ON usage.user = users.id WHERE owner = ?1 AND "
    };
}

/// That of all users of an operator (`?1`), by `?2` seconds. A deleted user counts for 31 days, whatever period he was created with: otherwise
/// whoever deletes and creates has no bound at all.
macro_rules! month_of_users {
    () => {
        concat!(
            "
  SELECT 1 AS there, ",
            $crate::store::allowances::month_of_user!(),
            "deleted_at IS NULL
  UNION ALL
  SELECT 0, ",
            $crate::store::allowances::month_of_user!(),
            "deleted_at > CAST(?2 AS INTEGER) - 2678400"
        )
    };
}
pub(super) use {month_of_user, month_of_users};

// Rows read: 1, and 2 per user of his, those that he had and deleted in 31 days among them. Rows written: none, unless it fails.
const BYTES: &str = concat!(
    "
UPDATE operators SET over_bytes = 1
WHERE id = ?1 AND byte_allowance < (SELECT total(bytes) FROM (",
    month_of_users!(),
    "))"
);

/// Fails the batch if a reseller's users are more, or may use more, than he may hand out.
#[must_use]
pub fn hold(operator: i64, now: Second) -> [Statement; 2] {
    [Statement::new(USERS).bind(operator), Statement::new(BYTES).bind(operator).bind(now)]
}

// Rows read: 1.
const NO_MORE_TIME: &str = "UPDATE operators SET over_bytes = 1 WHERE id = ?1 AND byte_allowance IS NOT NULL";

/// Fails the batch if a reseller's bytes are bounded: it begins a period before its time, and so hands out a quota twice.
#[must_use]
pub fn no_new_period(operator: i64) -> Statement {
    Statement::new(NO_MORE_TIME).bind(operator)
}

// Rows: 1 read, 1 written, 2 index entries.
const OWN: &str = "UPDATE users SET owner = CAST(?2 AS INTEGER) WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL";

/// Makes a user an operator's, or with none the panel's own.
#[must_use]
pub fn own(name: &str, operator: Option<i64>) -> Statement {
    Statement::new(OWN).bind(name).bind(operator)
}
