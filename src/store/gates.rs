//! Gates as persons and the clock decide them. What reports decide stands in [`super::slots`].

use weir_wire::Second;

use super::Statement;
use super::slots::gate_of_usage;

/// The gate that a row of `users` and its usage row `u` call for at second `?1`, as an SQL expression; the rule of
/// [`crate::domain::user::gate`].
macro_rules! gate_of_user {
    () => {
        concat!(
            "CASE WHEN users.disabled_at IS NOT NULL THEN 'disabled'
  WHEN users.expires_at <= CAST(?1 AS INTEGER) THEN 'expired' ELSE ",
            gate_of_usage!(),
            " END"
        )
    };
}
pub(super) use gate_of_user;

macro_rules! settle {
    ($users:literal, $which:literal) => {
        concat!(
            "
UPDATE slots SET user = of_user, gate = now_gate, until = now_until,
  changed = 1 + (SELECT max(number) FROM roster_versions)
FROM (SELECT users.id AS of_user, users.slot AS of_slot, users.expires_at AS now_until, ",
            gate_of_user!(),
            " AS now_gate FROM ",
            $users,
            ")
WHERE slots.name = of_slot AND slots.gate <> 'retired'",
            $which
        )
    };
}

// Rows of all three: 4 read per user and 2; per slot changed 2 written (row, index) and, when its gate moves, 2 more (the
// user's mirror and the counter of open users, by trigger).
const SETTLE: &str = settle!(
    "json_each(?2) AS asked JOIN users ON users.id = asked.value JOIN usage AS u ON u.user = users.id
  WHERE users.deleted_at IS NULL",
    ""
);
const SETTLE_NEW: &str = settle!(
    "users JOIN usage AS u ON u.user = users.id WHERE users.name = ?2 COLLATE NOCASE AND users.deleted_at IS NULL",
    ""
);
const SETTLE_MOVED: &str = settle!(
    "json_each(?2) AS asked JOIN users ON users.id = asked.value JOIN usage AS u ON u.user = users.id
  WHERE users.deleted_at IS NULL",
    " AND (slots.gate <> now_gate OR slots.until IS NOT now_until)"
);

/// After a person changed something about a user: decides his gate anew, and puts his slot into every node's next roster
/// change even when the gate stays, because a node that holds a limit for it then asks again. So a lowered quota and a
/// raised one arrive at once. [`super::slots::number_change`] must follow directly.
#[must_use]
pub fn settle(user: i64, now: Second) -> Statement {
    settle_all(&[user], now)
}

/// The same for several users.
#[must_use]
pub fn settle_all(users: &[i64], now: Second) -> Statement {
    Statement::new(SETTLE).bind(now).bind_json(&users)
}

/// The same for a user who was inserted in this batch, whose number is not known yet.
#[must_use]
pub fn settle_new(name: &str, now: Second) -> Statement {
    Statement::new(SETTLE_NEW).bind(now).bind(name)
}

/// After time passed: moves the gates that must move and touches no other slot. [`super::slots::number_change`] must
/// follow directly.
#[must_use]
pub fn settle_moved(users: &[i64], now: Second) -> Statement {
    Statement::new(SETTLE_MOVED).bind(now).bind_json(&users)
}

// Rows: 2 read, 4 written (row, index, the user's mirror, the counter).
const RETIRE: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE name = (SELECT slot FROM users WHERE id = ?1) AND gate <> 'retired'";

/// Ends a user's credentials for good; late bytes of the slot still go to his history.
/// [`super::slots::number_change`] must follow, directly or after a [`settle`].
#[must_use]
pub fn retire(user: i64) -> Statement {
    Statement::new(RETIRE).bind(user)
}

macro_rules! schedule {
    ($users:literal) => {
        concat!(
            "
UPDATE users SET due_at = next
FROM (SELECT users.id AS of_user, CASE WHEN users.expires_at > CAST(?1 AS INTEGER) THEN min(users.expires_at, u.period_end)
    ELSE u.period_end END AS next FROM ",
            $users,
            ")
WHERE users.id = of_user AND due_at IS NOT next"
        )
    };
}

// Rows of both: 3 read per user, 3 written (row, index entry out and in).
const SCHEDULE: &str = schedule!(
    "json_each(?2) AS asked JOIN users ON users.id = asked.value JOIN usage AS u ON u.user = users.id
  WHERE users.deleted_at IS NULL"
);
const SCHEDULE_NEW: &str = schedule!(
    "users JOIN usage AS u ON u.user = users.id WHERE users.name = ?2 COLLATE NOCASE AND users.deleted_at IS NULL"
);

/// Sets the second at which the sweep must look at these users again: the period's end, or the expiry to come.
#[must_use]
pub fn schedule(users: &[i64], now: Second) -> Statement {
    Statement::new(SCHEDULE).bind(now).bind_json(&users)
}

/// The same for a user who was inserted in this batch.
#[must_use]
pub fn schedule_new(name: &str, now: Second) -> Statement {
    Statement::new(SCHEDULE_NEW).bind(now).bind(name)
}
