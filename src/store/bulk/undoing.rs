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

// A trigger ends aliases with their user, so they are kept before that, in the same batch: one that came or went since the chunk was
// read is kept as it is. At most 1 MB for a chunk of users who have all that they may. Rows: 3 read per user and 3 per alias; 1 written if
// anybody has one.
const KEEP_ALIASES: &str = "
UPDATE bulk_chunks SET steps = (SELECT json_group_array(json_set(step.value, '$.before.aliases', json(
    (SELECT json_group_array(json_array(alias, created_at)) FROM aliases WHERE aliases.user = step.value ->> 'user'))))
  FROM json_each(steps) AS step)
WHERE bulk = ?1 AND number = CAST(?2 AS INTEGER)
  AND EXISTS (SELECT 1 FROM json_each(steps) AS step CROSS JOIN aliases ON aliases.user = step.value ->> 'user')";

// What somebody else has by now stays his. Rows: 1 read, 2 per user and 2 per alias; written: 2 per alias (row, index of users).
const RETURN_ALIASES: &str = "
INSERT INTO aliases (alias, user, created_at)
SELECT had.value ->> 0, step.value ->> 'user', had.value ->> 1
FROM bulk_chunks CROSS JOIN json_each(steps) AS step CROSS JOIN json_each(step.value, '$.before.aliases') AS had
WHERE bulk = ?1 AND number = CAST(?2 AS INTEGER) AND step.value ->> 'user' IN (SELECT value FROM json_each(?3))
ON CONFLICT (alias) DO NOTHING";

/// Has a chunk keep the aliases of those whom it is about to delete: after [`super::claim`]'s own statement, which stores its steps, and
/// before the deletion.
#[must_use]
pub fn keep_aliases(id: i64, chunk: i64) -> Statement {
    Statement::new(KEEP_ALIASES).bind(id).bind(chunk)
}

/// Gives users of a chunk the aliases that it kept of them, after [`bring_back`].
#[must_use]
pub fn return_aliases(id: i64, chunk: i64, back: &[i64]) -> Statement {
    Statement::new(RETURN_ALIASES).bind(id).bind(chunk).bind_json(&back)
}

// Rows per user: 3 read, 5 written (row, three index entries, the counter).
const BRING_BACK: &str = "
UPDATE users SET deleted_at = NULL WHERE deleted_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1))";

/// Brings deleted users back, with the history and the subscription links that they had, and with new credentials. There must be
/// a vacant slot for each. Their aliases are [`return_aliases`]'.
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
