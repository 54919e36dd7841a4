//! What it takes to undo resets and deletions; what was changed of fields is changed back.

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use crate::store::{Statement, gates, quotas, slots, users};

// Rows read: 4 per user.
const DELETED: &str = "
SELECT users.id, u.revision, EXISTS (SELECT 1 FROM users AS other
  WHERE other.name = users.name COLLATE NOCASE AND other.deleted_at IS NULL) AS is_taken
FROM json_each(?1) AS asked CROSS JOIN users ON users.id = asked.value JOIN usage AS u ON u.user = users.id
WHERE deleted_at IS NOT NULL";

/// A user who was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Deleted {
    /// User.
    pub id: i64,
    /// `usage.revision`.
    pub revision: i64,
    /// 1: somebody else has his name now.
    pub is_taken: u32,
}

/// Those of a JSON list of numbers who were deleted.
#[must_use]
pub fn deleted_of(numbers: &str) -> Statement {
    Statement::new(DELETED).bind(numbers)
}

/// A reset that is to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unreset {
    /// User.
    pub user: i64,
    /// When the reset began his period.
    pub since: i64,
    /// Begin of the period that it ended.
    pub start: i64,
    /// When that one was to end.
    pub end: i64,
}

// The bytes of both periods are one period's again: those of the ended one stand in its row, late ones included. Rows per user:
// 4 read, 2 written (the row of the period that is no more, by trigger).
const UNRESET: &str = "
UPDATE usage SET revision = revision + 1, period_start = old_start, period_end = old_end,
  month = min(month + coalesce((SELECT bytes FROM periods WHERE periods.user = usage.user AND start = old_start), 0), 9007199254740991)
FROM (SELECT value ->> 'user' AS of_user, value ->> 'since' AS since, value ->> 'start' AS old_start, value ->> 'end' AS old_end
  FROM json_each(?1))
WHERE user = of_user AND period_start = since";

// One list of pairs: two that are joined would be looked through for every period of everybody. Rows per user: 5 read, 2 written.
const FORGET_PERIODS: &str = r#"
DELETE FROM periods WHERE (user, start) IN (SELECT reset.value ->> 'user', reset.value ->> edge.value
  FROM json_each(?1) AS reset, json_each('["start","since"]') AS edge)"#;

/// Takes resets back: what was used before and after counts in one period again.
#[must_use]
pub fn unreset(resets: &[Unreset], salt: u32, now: Second) -> Vec<Statement> {
    let users: Vec<i64> = resets.iter().map(|reset| reset.user).collect();
    vec![
        Statement::new(UNRESET).bind_json(&resets),
        Statement::new(FORGET_PERIODS).bind_json(&resets),
        gates::settle_all(&users, now),
        slots::number_change(salt),
        gates::schedule(&users, now),
    ]
}

// Rows per user: 3 read, 5 written (row, three index entries, the counter).
const BRING_BACK: &str = "
UPDATE users SET deleted_at = NULL WHERE deleted_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1))";

/// Brings deleted users back, with the history and the subscription links that they had, and with new credentials. There must be
/// a vacant slot for each.
#[must_use]
pub fn bring_back(deleted: &[i64], salt: u32, now: Second) -> Vec<Statement> {
    vec![
        Statement::new(BRING_BACK).bind_json(&deleted),
        users::renew(deleted, false, now),
        quotas::touch_all(deleted),
        gates::settle_all(deleted, now),
        slots::number_change(salt),
        gates::schedule(deleted, now),
    ]
}
