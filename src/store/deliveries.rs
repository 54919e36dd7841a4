//! Deliveries: one event on its way to one channel.
//!
//! Rows written of one: 2 when it is made (row, index), 1 when it got through, 1 for each try that failed, 3 for each that was refused (row, and
//! its place in two indexes).

use serde::Deserialize;
use serde_json::json;
use weir_wire::Second;

use super::{Statement, Value};
use crate::domain::notice::retry::PATIENCE;

// Rows read: 2 and, per new event, 1 and 2 per channel that wants it (and 1 whether its user has an address).
const FAN_OUT: &str = "
INSERT INTO deliveries (event, channel, subject, queued_at)
SELECT e.number, c.id, CASE WHEN e.user IS NOT NULL THEN 'user:' || e.user WHEN e.node IS NOT NULL THEN 'node:' || e.node
  ELSE 'event:' || e.number END, CAST(?1 AS INTEGER)
FROM events AS e CROSS JOIN wanted AS w ON w.kind = e.kind CROSS JOIN channels AS c ON c.id = w.channel
WHERE e.number > (SELECT CAST(coalesce(cursor, '0') AS INTEGER) FROM jobs WHERE name = 'outbox')
  AND (c.audience = 'operator' OR EXISTS (SELECT 1 FROM users WHERE id = e.user AND email IS NOT NULL))
ON CONFLICT (event, channel) DO NOTHING";
// Rows: 2 read, 1 written if there were new events.
const FANNED_OUT: &str = "
UPDATE jobs SET cursor = (SELECT max(number) FROM events)
WHERE name = 'outbox' AND CAST(coalesce(cursor, '0') AS INTEGER) < (SELECT max(number) FROM events)";

/// Makes the deliveries of all events since the last time, in one batch.
#[must_use]
pub fn fan_out(now: Second) -> [Statement; 2] {
    [Statement::new(FAN_OUT).bind(now), Statement::new(FANNED_OUT)]
}

/// A delivery that waits, with its event.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Waiting {
    /// Number of its event.
    pub event: i64,
    /// Events of one subject leave in their order.
    pub subject: String,
    /// Tries at which the endpoint took offence at it.
    pub refusals: u32,
    /// Not before then.
    pub next_at: i64,
    /// When it was made.
    pub queued_at: i64,
    /// The event's id.
    pub id: String,
    /// When it happened.
    pub at: i64,
    /// Kind.
    pub kind: String,
    /// JSON object.
    pub data: String,
    /// The user's address; only where users are told.
    pub email: Option<String>,
}

/// Deliveries of a channel that one run looks at; those that must wait are not among them.
pub const WINDOW: u32 = 100;

// Rows read: 3 per delivery (index, row, event), 4 where users are told; and 2 per delivery that may leave but for an earlier one of its subject that
// was refused. What must wait is not read. Fresh ones come first, with 0 for their time.
macro_rules! waiting {
    ($email:literal) => {
        concat!(
            "
SELECT d.event, d.subject, d.refusals, d.next_at, d.queued_at, e.id, e.at, e.kind, e.data, ",
            $email,
            " AS email
FROM (SELECT * FROM deliveries AS w INDEXED BY deliveries_waiting
  WHERE channel = CAST(?1 AS INTEGER) AND state = 'waiting' AND next_at <= CAST(?2 AS INTEGER)
    AND NOT EXISTS (SELECT 1 FROM deliveries AS earlier INDEXED BY deliveries_held
      WHERE earlier.channel = w.channel AND earlier.subject = w.subject AND earlier.event < w.event
        AND earlier.state = 'waiting' AND earlier.next_at > 0)
  ORDER BY next_at, event LIMIT 100) AS d CROSS JOIN events AS e ON e.number = d.event ORDER BY d.event"
        )
    };
}
const WAITING: &str = waiting!("NULL");
const WAITING_OF_USERS: &str = waiting!("(SELECT email FROM users WHERE users.id = e.user AND deleted_at IS NULL)");

/// The first [`WINDOW`] deliveries of a channel that may leave, in the order of their events; those that were refused only where fresh ones leave
/// room. Of a subject of which one was refused, nothing later.
#[must_use]
pub fn waiting(channel: i64, of_users: bool, now: Second) -> Statement {
    Statement::new(if of_users { WAITING_OF_USERS } else { WAITING }).bind(channel).bind(now)
}

// Rows: 2 read per delivery, 1 written, 3 of one that was refused. One that another run has marked stays so. The plus keeps the index of those that
// wait out of it: each is found by its key.
const MARK: &str = "
UPDATE deliveries SET state = m.value ->> 1, tries = tries + (m.value ->> 2), refusals = refusals + (m.value ->> 3),
  next_at = m.value ->> 4, tried_at = CASE WHEN m.value ->> 2 THEN CAST(?3 AS INTEGER) ELSE tried_at END, status = m.value ->> 5,
  error = m.value ->> 6
FROM json_each(?2) AS m
WHERE channel = CAST(?1 AS INTEGER) AND event = m.value ->> 0 AND +state = 'waiting'";

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of its event.
    pub event: i64,
    /// `waiting`, `delivered` or `dead`.
    pub state: &'static str,
    /// How often it was tried.
    pub tries: u32,
    /// At how many of these tries the endpoint took offence at it.
    pub refusals: u32,
    /// Not to be tried again before then; 0 leaves it among the fresh ones.
    pub next_at: Second,
    /// HTTP status.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Notes what became of deliveries, of each event once.
#[must_use]
pub fn mark(channel: i64, marks: &[Mark], now: Second) -> Statement {
    let row = |mark: &Mark| {
        json!([mark.event, mark.state, mark.tries, mark.refusals, mark.next_at.get(), mark.status, mark.error])
    };
    Statement::new(MARK).bind(channel).bind_json(&marks.iter().map(row).collect::<Vec<_>>()).bind(now)
}

// Rows read: 500 at most; written: 2 per delivery (row, index of the dead).
const GIVE_UP: &str = "
UPDATE deliveries SET state = 'dead', error = coalesce(error, ?3)
WHERE channel = CAST(?1 AS INTEGER) AND state = 'waiting' AND event IN (SELECT event FROM (
  SELECT event, queued_at FROM deliveries INDEXED BY deliveries_waiting
  WHERE channel = CAST(?1 AS INTEGER) AND state = 'waiting' ORDER BY next_at, event LIMIT 500) WHERE queued_at <= CAST(?2 AS INTEGER))";

/// Gives up what a channel that fails has not taken for [`PATIENCE`] seconds.
#[must_use]
pub fn give_up(channel: i64, error: &str, now: Second) -> Statement {
    Statement::new(GIVE_UP).bind(channel).bind(now.plus(-PATIENCE)).bind(error)
}

/// A delivery as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Shown {
    /// Number of its event.
    pub event: i64,
    /// Channel.
    pub channel: i64,
    /// `waiting`, `delivered` or `dead`.
    pub state: String,
    /// When it was made.
    pub queued_at: i64,
    /// Tries.
    pub tries: u32,
    /// Not to be tried before then.
    pub next_at: i64,
    /// When it was last tried.
    pub tried_at: Option<i64>,
    /// HTTP status of that try.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// The event's id.
    pub event_id: String,
    /// Its kind.
    pub kind: String,
}

impl Shown {
    /// What the API calls it: its event and its channel.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.event, self.channel)
    }
}

/// Event and channel of a delivery's [`Shown::id`].
#[must_use]
pub fn parts(id: &str) -> Option<(i64, i64)> {
    let (event, channel) = id.split_once('-')?;
    Some((event.parse().ok()?, channel.parse().ok()?))
}

macro_rules! list {
    ($from:literal) => {
        concat!(
            "
SELECT d.event, d.channel, d.state, d.queued_at, d.tries, d.next_at, d.tried_at, d.status, d.error, e.id AS event_id, e.kind
FROM ",
            $from,
            " AND (?1 IS NULL OR d.channel = CAST(?1 AS INTEGER))
  AND (d.event, d.channel) < (CAST(?2 AS INTEGER), CAST(?3 AS INTEGER)) ORDER BY d.event DESC, d.channel DESC LIMIT ?4"
        )
    };
}
// Rows read: 2 per delivery shown, and 1 per delivery of other channels or states passed over.
const LIST: &str = list!("deliveries AS d JOIN events AS e ON e.number = d.event WHERE (?5 = '' OR d.state = ?5)");
// Rows read: 2 per delivery that waits or is dead.
const LIST_WAITING: &str = list!(
    "deliveries AS d INDEXED BY deliveries_waiting JOIN events AS e ON e.number = d.event WHERE d.state = 'waiting' AND ?5 <> ''"
);
const LIST_DEAD: &str = list!(
    "deliveries AS d INDEXED BY deliveries_dead JOIN events AS e ON e.number = d.event WHERE d.state = 'dead' AND ?5 <> ''"
);

/// Deliveries before `(event, channel)`, the newest first; of one channel and state if told.
#[must_use]
pub fn list(channel: Option<i64>, state: &str, before: (i64, i64), limit: u32) -> Statement {
    let sql = match state {
        "waiting" => LIST_WAITING,
        "dead" => LIST_DEAD,
        _ => LIST,
    };
    Statement::new(sql).bind(channel).bind(before.0).bind(before.1).bind(limit).bind(state)
}

macro_rules! replay {
    ($which:literal) => {
        concat!(
            "
UPDATE deliveries SET state = 'waiting', queued_at = CAST(?1 AS INTEGER), tries = 0, refusals = 0, next_at = 0, error = NULL
WHERE channel = CAST(?2 AS INTEGER) AND ",
            $which
        )
    };
}
// Rows: 1 read, 2 written (row, index).
const REPLAY: &str = replay!("event = CAST(?3 AS INTEGER) AND state <> 'waiting'");
// The same for each of 1,000 at most.
const REPLAY_DEAD: &str = replay!(
    "state = 'dead' AND event IN (SELECT event FROM deliveries INDEXED BY deliveries_dead
  WHERE channel = CAST(?2 AS INTEGER) AND state = 'dead' ORDER BY event LIMIT ?3)"
);

/// Sends a delivery again; it changes a row unless it waits anyway.
#[must_use]
pub fn replay(channel: i64, event: i64, now: Second) -> Statement {
    Statement::new(REPLAY).bind(now).bind(channel).bind(event)
}

/// Sends all dead deliveries of a channel again, `most` at most.
#[must_use]
pub fn replay_dead(channel: i64, most: u32, now: Second) -> Statement {
    Statement::new(REPLAY_DEAD).bind(now).bind(channel).bind(Value::from(most))
}
