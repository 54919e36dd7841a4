//! Gates as persons and the clock decide them. What reports decide stands in [`super::slots`].

use weir_wire::Second;

use super::slots::{gate_of_usage, number_change};
use super::{Statement, quotas};

/// From which second on a row of `users` with its usage row `u` may not pass at the latest, as an SQL expression; the rule
/// of [`crate::domain::user::Standing::ends_at`].
macro_rules! end_of_user {
    () => {
        "CASE WHEN u.hold > 0 THEN min(u.hold_until + u.hold, 9007199254740991) ELSE users.expires_at END"
    };
}
pub(super) use end_of_user;

/// The gate that a row of `users` and its usage row `u` call for at second `?1`, as an SQL expression; the rule of
/// [`crate::domain::user::gate`]. The bytes of the period may be another expression than the column.
macro_rules! gate_of_user {
    () => {
        $crate::store::gates::gate_of_user!("u.month")
    };
    ($month:literal) => {
        concat!(
            "CASE WHEN users.disabled_at IS NOT NULL THEN 'disabled'
  WHEN users.suspended_until > CAST(?1 AS INTEGER) THEN 'sharing'
  WHEN ",
            $crate::store::gates::end_of_user!(),
            " <= CAST(?1 AS INTEGER) THEN 'expired' ELSE ",
            $crate::store::slots::gate_of_usage!($month),
            " END"
        )
    };
}
pub(super) use gate_of_user;

/// The second at which the sweep must look at a row of `users` with its usage row `u`, as an SQL expression; the rule of
/// [`crate::domain::due::Account::due_at`]. `?1` is now.
macro_rules! due_of_user {
    () => {
        concat!(
            "CASE WHEN users.next_plan IS NOT NULL AND users.disabled_at IS NULL
    AND coalesce(users.suspended_until, 0) <= CAST(?1 AS INTEGER)
    AND (coalesce(",
            end_of_user!(),
            " <= CAST(?1 AS INTEGER), 0) + (",
            gate_of_usage!(),
            " <> 'open')) > NOT users.next_on_either THEN CAST(?1 AS INTEGER)
  ELSE min(u.period_end, coalesce(users.suspended_until, 9007199254740991),
    CASE WHEN u.hold > 0 THEN coalesce(u.hold_until, 9007199254740991)
      WHEN users.expires_at > CAST(?1 AS INTEGER) THEN users.expires_at ELSE 9007199254740991 END,
    CASE WHEN u.hold > 0 OR users.disabled_at IS NOT NULL OR users.suspended_until > CAST(?1 AS INTEGER)
      THEN 9007199254740991
      ELSE coalesce(users.expires_at + users.delete_after_days * 86400, 9007199254740991) END) END"
        )
    };
}

macro_rules! settle {
    ($users:literal, $which:literal) => {
        concat!(
            "
UPDATE slots SET user = of_user, gate = now_gate, until = now_until,
  speed = now_speed, devices = now_devices, streams = now_streams, plan = now_plan, marzban = now_marzban, queued = now_queued,
  changed = 1 + (SELECT max(number) FROM roster_versions)
FROM (SELECT users.id AS of_user, users.slot AS of_slot, users.speed_limit AS now_speed,
  users.device_limit AS now_devices, users.stream_limit AS now_streams, users.plan AS now_plan, users.marzban AS now_marzban,
  users.next_plan IS NOT NULL AS now_queued, ",
            end_of_user!(),
            " AS now_until, ",
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
    " AND (slots.gate <> now_gate OR slots.until IS NOT now_until
    OR slots.speed <> now_speed OR slots.devices <> now_devices OR slots.streams <> now_streams
    OR slots.plan IS NOT now_plan OR slots.marzban IS NOT now_marzban)"
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

// Rows per user: 3 read, 4 written (row, index, the user's mirror, the counter).
const RETIRE: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE gate <> 'retired' AND name IN (SELECT slot FROM json_each(?1) JOIN users ON users.id = value)";

/// Ends users' credentials for good; late bytes of the slots still go to their histories.
/// [`super::slots::number_change`] must follow, directly or after a [`settle_all`].
#[must_use]
pub fn retire(users: &[i64]) -> Statement {
    Statement::new(RETIRE).bind_json(&users)
}

// Rows per user: 2 read, 1 written. A longer suspension is never shortened.
const SUSPEND: &str = "
UPDATE users SET suspended_until = CAST(?1 AS INTEGER)
WHERE id IN (SELECT value FROM json_each(?2)) AND deleted_at IS NULL AND coalesce(suspended_until, 0) < CAST(?1 AS INTEGER)";

/// Shuts users for sharing until `until`; it ends by itself, or when a person enables them.
#[must_use]
pub fn suspend(users: &[i64], until: Second, salt: u32, now: Second) -> Vec<Statement> {
    vec![
        Statement::new(SUSPEND).bind(until).bind_json(&users),
        quotas::touch_all(users),
        settle_moved(users, now),
        number_change(salt),
        schedule(users, now),
    ]
}

// Rows per user: 2 read, 1 written.
const END_SUSPENSIONS: &str = "
UPDATE users SET suspended_until = NULL
WHERE id IN (SELECT value FROM json_each(?2)) AND suspended_until <= CAST(?1 AS INTEGER)";

/// Forgets suspensions that are over.
#[must_use]
pub(super) fn end_suspensions(users: &[i64], now: Second) -> Statement {
    Statement::new(END_SUSPENSIONS).bind(now).bind_json(&users)
}

macro_rules! schedule {
    ($users:literal) => {
        concat!(
            "
UPDATE users SET due_at = next
FROM (SELECT users.id AS of_user, ",
            due_of_user!(),
            " AS next FROM ",
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

/// Sets the second at which the sweep must look at these users again.
#[must_use]
pub fn schedule(users: &[i64], now: Second) -> Statement {
    Statement::new(SCHEDULE).bind(now).bind_json(&users)
}

/// The same for a user who was inserted in this batch.
#[must_use]
pub fn schedule_new(name: &str, now: Second) -> Statement {
    Statement::new(SCHEDULE_NEW).bind(now).bind(name)
}
