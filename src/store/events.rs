//! Events: what happened, once for each key, as long as any channel wants its kind.
//!
//! Gates, created and deleted users, resets and forks enter theirs by triggers (migration 0007). Each costs 2 rows written
//! (row, key), and 1 for the first that wakes the outbox; nothing when nobody wants it.

use serde::{Deserialize, Serialize};
use weir_wire::{NodeId, Second};

use super::{Statement, epochs};
use crate::domain::notice::Kind;
use crate::domain::notice::warning::Candidate;

// Rows: 1 read (whether it is wanted), 1 more when the key is there; written: 2, and 1 that wakes the outbox.
const ADD: &str = "
INSERT INTO events (key, at, kind, user, node, data)
SELECT ?1, CAST(?2 AS INTEGER), ?3, CAST(?4 AS INTEGER), CAST(?5 AS INTEGER), ?6
WHERE EXISTS (SELECT 1 FROM wanted WHERE kind = ?3)
ON CONFLICT (key) DO NOTHING";

/// An event to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEvent<'a, T> {
    /// Makes it happen once, such as `sharing:7:1794744000`.
    pub key: &'a str,
    /// What happened.
    pub kind: Kind,
    /// Whom it is about.
    pub user: Option<i64>,
    /// Which node it is about.
    pub node: Option<NodeId>,
    /// A value that serialises to an object: the fields that the kind's texts name (`src/domain/notice/texts/`).
    pub data: &'a T,
}

/// Enters an event, unless its key is there already or nobody wants its kind.
#[must_use]
pub fn add<T: Serialize>(event: &NewEvent<'_, T>, now: Second) -> Statement {
    let statement = Statement::new(ADD).bind(event.key).bind(now).bind(event.kind.name());
    statement.bind(event.user).bind(event.node).bind_json(event.data)
}

// Whoever really stands at the threshold after the report. Rows: 4 read per candidate (json_each, usage, user, key), 1 for
// the guard; written: 2 per warning, and 1 that wakes the outbox.
macro_rules! warn {
    ($now:literal, $guard:literal) => {
        concat!(
            "
INSERT INTO events (key, at, kind, user, data)
SELECT 'quota:' || u.user || ':' || u.period_start || ':' || percent, CAST(",
            $now,
            " AS INTEGER), 'user.quota_warning', u.user,
  json_object('user', users.name, 'user_id', u.user, 'percent', percent, 'used', u.month, 'quota', u.monthly_quota,
    'resets_at', nullif(u.period_end, 9007199254740991))
FROM (SELECT value ->> 0 AS of_user, value ->> 1 AS percent FROM json_each(?1))
  CROSS JOIN usage AS u ON u.user = of_user CROSS JOIN users ON users.id = u.user
WHERE ",
            $guard,
            "users.deleted_at IS NULL AND u.monthly_quota > 0 AND u.month * 100 >= percent * u.monthly_quota
  AND (u.month < u.monthly_quota OR u.bonus_left > 0)
ON CONFLICT (key) DO NOTHING"
        )
    };
}

const WARN: &str = warn!(
    "?5",
    "coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)
  AND "
);
const WARN_NOW: &str = warn!("?2", "");

/// Warns of those among `candidates` whom the report has taken over a threshold of their quota. Whoever has used it up is
/// told that instead. It belongs into the batch, after the charges.
#[must_use]
pub fn warn(candidates: &[Candidate], guard: &epochs::Guard, now: Second) -> Statement {
    guard.bind(Statement::new(WARN).bind_json(&candidates)).bind(now)
}

/// The same for a charge that is stored already.
#[must_use]
pub fn warn_now(candidates: &[Candidate], now: Second) -> Statement {
    Statement::new(WARN_NOW).bind_json(&candidates).bind(now)
}

/// A stored event.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Row {
    /// Its place among the events.
    pub number: i64,
    /// What receivers know it by.
    pub id: String,
    /// When.
    pub at: i64,
    /// Kind.
    pub kind: String,
    /// JSON object.
    pub data: String,
}

// Rows read: 1 per event shown; with a kind, 1 per event older than the page.
const LIST: &str = "
SELECT number, id, at, kind, data FROM events
WHERE number < CAST(?1 AS INTEGER) AND (?2 = '' OR kind = ?2) ORDER BY number DESC LIMIT ?3";

/// Events before a number, the newest first; of one kind if `kind` is not empty.
#[must_use]
pub fn list(before: i64, kind: &str, limit: u32) -> Statement {
    Statement::new(LIST).bind(before).bind(kind).bind(limit)
}

/// Events that one run of [`forget`] looks at.
pub const FORGET: u32 = 500;

macro_rules! old {
    () => {
        "(SELECT number FROM (SELECT number, at FROM events ORDER BY number LIMIT 500)
  WHERE at < CAST(?1 AS INTEGER) AND number < (SELECT max(number) FROM events))"
    };
}
// Rows read: 500 and 1 per delivery; written: 1 per delivery, and 1 more while it waits or is dead.
const FORGET_DELIVERIES: &str = concat!("DELETE FROM deliveries WHERE event IN ", old!());
// Rows read: 500 and 1 per event; written: 2 per event. The newest stays, so that no number comes twice.
const FORGET_EVENTS: &str = concat!("DELETE FROM events WHERE number IN ", old!());

/// Deletes what happened before `before`, [`FORGET`] events at most, with their deliveries. The last statement's changes say
/// how many.
#[must_use]
pub fn forget(before: Second) -> [Statement; 2] {
    [Statement::new(FORGET_DELIVERIES).bind(before), Statement::new(FORGET_EVENTS).bind(before)]
}
