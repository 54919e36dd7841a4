//! Accounts on hold: their time begins with the first use, or at the hold's time-out.

use weir_wire::Second;

use super::{Statement, epochs};

// The first use, which a report tells. Before the statement that applies it: that one ends the hold, and whoever comes later
// finds none. Rows per account that begins: 3 read (json_each, usage, user), 3 written (row, indexes of due_at and expires_at); the guard's 1.
const BEGIN: &str = "
UPDATE users SET expires_at = ends, due_at = min(coalesce(due_at, ends), ends)
FROM (SELECT u.user AS of_user, min(min(CAST(?5 AS INTEGER), coalesce(u.hold_until, CAST(?5 AS INTEGER))) + u.hold,
    9007199254740991) AS ends
  FROM json_each(?1) JOIN usage AS u ON u.user = value
  WHERE u.hold > 0 AND coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER))
WHERE users.id = of_user AND users.deleted_at IS NULL";

/// Begins accounts whose first use a report tells: they expire their length after `at`, or after a time-out before it.
#[must_use]
pub fn begin(users: &[i64], guard: &epochs::Guard, at: Second) -> Statement {
    guard.bind(Statement::new(BEGIN).bind_json(&users)).bind(at)
}

// Rows per account: 3 read, 1 written.
const BEGIN_NOW: &str = "
UPDATE users SET expires_at = ends
FROM (SELECT u.user AS of_user, min(min(CAST(?1 AS INTEGER), coalesce(u.hold_until, CAST(?1 AS INTEGER))) + u.hold,
    9007199254740991) AS ends
  FROM usage AS u WHERE u.user = ?2 AND u.hold > 0 AND u.hold_since <= CAST(?1 AS INTEGER))
WHERE users.id = of_user AND users.deleted_at IS NULL";

// Directly after BEGIN_NOW. Rows: 1 read, 1 written.
const END_NOW: &str = "
UPDATE usage SET hold = 0, revision = revision + 1 WHERE user = ?2 AND hold > 0 AND hold_since <= CAST(?1 AS INTEGER)";

/// Begins an account by a use at `now` that no node tells of. [`super::gates::settle_moved`] and [`super::gates::schedule`] must
/// follow.
#[must_use]
pub fn begin_now(user: i64, now: Second) -> [Statement; 2] {
    [BEGIN_NOW, END_NOW].map(|sql| Statement::new(sql).bind(now).bind(user))
}

// Rows per account: 3 read, 1 written.
const TIME_OUT: &str = "
UPDATE users SET expires_at = ends
FROM (SELECT u.user AS of_user, min(u.hold_until + u.hold, 9007199254740991) AS ends
  FROM json_each(?2) JOIN usage AS u ON u.user = value WHERE u.hold > 0 AND u.hold_until <= CAST(?1 AS INTEGER))
WHERE users.id = of_user AND users.deleted_at IS NULL";

// Directly after TIME_OUT. Rows per account: 2 read, 1 written.
const END: &str = "
UPDATE usage SET hold = 0, revision = revision + 1
WHERE user IN (SELECT value FROM json_each(?2)) AND hold > 0 AND hold_until <= CAST(?1 AS INTEGER)";

/// Begins accounts whose hold has timed out unused: they expire their length after the time-out, however late this runs.
#[must_use]
pub(super) fn time_out(users: &[i64], now: Second) -> [Statement; 2] {
    [TIME_OUT, END].map(|sql| Statement::new(sql).bind(now).bind_json(&users))
}
