//! What a monitoring system reads of the whole panel: one row, however much there is.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use weir_wire::{Bytes, Second};

use super::Statement;
use super::user_list::status_of_user;
use crate::domain::notice::report::Cost;

/// Deliveries of a channel that are counted at most, waiting and given up each: a monitor need not know how far beyond it is.
pub const MOST: u32 = 1_000;

// Rows read: 1 per node, deleted ones included, and 3 per ledger; 1 per job; 1 per channel, and 1 per delivery of it that waits or was
// given up, 1,000 of each at most; 2 (the day's cost, the last count). Beside `max`, plain columns come from the ledger that spoke last.
const READ: &str = "
SELECT
  (SELECT coalesce(json_group_array(json_object('name', name, 'up', up, 'down', down, 'unattributed', unattributed,
      'unknown', unknown, 'outside', outside, 'last_to', last_to, 'seen_at', seen_at, 'online', online,
      'connections', connections)), '[]')
    FROM (SELECT n.name, min(coalesce(sum(e.up), 0), 9007199254740991) AS up,
        min(coalesce(sum(e.down), 0), 9007199254740991) AS down,
        min(coalesce(sum(e.unattributed), 0), 9007199254740991) AS unattributed,
        min(coalesce(sum(e.unknown), 0), 9007199254740991) AS unknown,
        min(coalesce(sum(e.outside), 0), 9007199254740991) AS outside,
        (SELECT max(last_to) FROM epochs WHERE node = n.id AND last_to > 0) AS last_to,
        max(e.seen_at) AS seen_at, coalesce(e.status ->> 'online', 0) AS online,
        coalesce(e.status ->> 'connections', 0) AS connections
      FROM nodes AS n LEFT JOIN epochs AS e ON e.node = n.id WHERE n.deleted_at IS NULL GROUP BY n.id)) AS nodes,
  (SELECT json_group_array(json_object('name', name, 'started_at', started_at, 'ended_at', ended_at, 'lasted_ms', lasted_ms,
      'failures', failures, 'error', error)) FROM jobs) AS jobs,
  (SELECT json_group_array(json_object('name', name, 'failures', failures, 'waiting', (SELECT count(*) FROM (
        SELECT 1 FROM deliveries INDEXED BY deliveries_waiting WHERE channel = channels.id AND state = 'waiting' LIMIT 1000)),
      'dead', (SELECT count(*) FROM (
        SELECT 1 FROM deliveries INDEXED BY deliveries_dead WHERE channel = channels.id AND state = 'dead' LIMIT 1000))))
    FROM channels) AS channels,
  (SELECT json_object('requests', requests, 'queries', queries, 'rows_read', rows_read, 'rows_written', rows_written)
    FROM cost_days WHERE day = CAST(?1 AS INTEGER)) AS cost,
  (SELECT value FROM settings WHERE area = 'metrics') AS counted";

/// What [`read`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Read {
    /// Nodes that are not deleted.
    #[serde(deserialize_with = "json")]
    pub nodes: Vec<Node>,
    /// Every job.
    #[serde(deserialize_with = "json")]
    pub jobs: Vec<Job>,
    /// Every channel.
    #[serde(deserialize_with = "json")]
    pub channels: Vec<Channel>,
    /// JSON of a [`Cost`]; none before anything of the day was told.
    pub cost: Option<String>,
    /// JSON of a [`Counted`]; none before the first count.
    pub counted: Option<String>,
}

impl Read {
    /// What the day has cost so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The last count of users, if it is still to be told at `now`.
    #[must_use]
    pub fn counted(&self, now: Second) -> Option<Counted> {
        let counted: Option<Counted> = self.counted.as_deref().and_then(|text| serde_json::from_str(text).ok());
        counted.filter(|counted| counted.is_fresh(now))
    }
}

/// A column that holds JSON.
fn json<'de, D: serde::Deserializer<'de>, T: DeserializeOwned>(column: D) -> Result<T, D::Error> {
    let text = String::deserialize(column)?;
    serde_json::from_str(&text).map_err(D::Error::custom)
}

/// A node. Bytes are those of all its ledgers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Name, unique among those that are not deleted.
    pub name: String,
    /// From clients.
    pub up: Bytes,
    /// To clients.
    pub down: Bytes,
    /// Of no user.
    pub unattributed: Bytes,
    /// Of slots that the panel does not know.
    pub unknown: Bytes,
    /// Of users and inbounds outside the roster.
    pub outside: Bytes,
    /// End of its newest report; none before the first.
    pub last_to: Option<i64>,
    /// When it was last heard of; none before the first time.
    pub seen_at: Option<i64>,
    /// Users with a live connection.
    pub online: u64,
    /// Live connections.
    pub connections: u64,
}

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Name.
    pub name: String,
    /// Begin of the last run.
    pub started_at: Option<i64>,
    /// End of the last run that came to an end.
    pub ended_at: Option<i64>,
    /// Milliseconds that it took.
    pub lasted_ms: i64,
    /// Runs in a row that did not end well; one that goes on counts until it has ended.
    failures: u32,
    /// Why the last of them failed.
    error: Option<String>,
}

/// Seconds after which a run that was not heard of again was cut off.
const RUNS: i64 = 120;

impl Job {
    /// Runs in a row that failed or were cut off, without one that goes on.
    #[must_use]
    pub fn failures(&self, now: Second) -> u32 {
        let begun = self.started_at.filter(|at| now.get() - at < RUNS);
        let goes_on = self.error.is_none() && begun.is_some_and(|at| self.ended_at.is_none_or(|ended| ended < at));
        self.failures.saturating_sub(u32::from(goes_on))
    }
}

/// A channel of the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Name.
    pub name: String,
    /// Tries in a row that failed.
    pub failures: u32,
    /// Deliveries that wait, [`MOST`] at most.
    pub waiting: u32,
    /// Deliveries that were given up, [`MOST`] at most.
    pub dead: u32,
}

/// Reads everything but the users. `day` counts UTC days since 1970.
#[must_use]
pub fn read(day: i64) -> Statement {
    Statement::new(READ).bind(day)
}

/// Users by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Counted {
    /// When they were counted.
    pub at: Second,
    /// See [`crate::domain::user::Status`].
    pub active: u64,
    /// See there.
    pub on_hold: u64,
    /// See there.
    pub limited: u64,
    /// See there.
    pub expired: u64,
    /// See there.
    pub disabled: u64,
}

/// Rows that counts may read in a day: 10 % of what the free plan allows.
const ROWS_A_DAY: u64 = 500_000;
/// Seconds that a count is told at least.
const FRESH: u64 = 60;

impl Counted {
    /// Whether it is still to be told: for a minute, and for longer where counting all day would cost too much. It takes 2 rows a user.
    fn is_fresh(&self, now: Second) -> bool {
        let users = self.active + self.on_hold + self.limited + self.expired + self.disabled;
        let fresh = (users.saturating_mul(2 * 86_400) / ROWS_A_DAY).max(FRESH);
        let age = now.since(self.at);
        age >= 0 && u64::try_from(age).unwrap_or_default() < fresh
    }
}

// The statuses as every list has them. Rows: 2 read per user, deleted ones 1; 1 written.
const COUNT: &str = concat!(
    "
INSERT INTO settings (area, value)
SELECT 'metrics', json_object('at', CAST(?1 AS INTEGER), 'active', count(*) FILTER (WHERE status = 'active'),
  'on_hold', count(*) FILTER (WHERE status = 'on_hold'), 'limited', count(*) FILTER (WHERE status = 'limited'),
  'expired', count(*) FILTER (WHERE status = 'expired'), 'disabled', count(*) FILTER (WHERE status = 'disabled'))
FROM (SELECT ",
    status_of_user!(),
    " AS status FROM users JOIN usage AS u ON u.user = users.id WHERE deleted_at IS NULL)
WHERE true ON CONFLICT (area) DO UPDATE SET value = excluded.value RETURNING value"
);

/// What [`count`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Value {
    /// JSON of a [`Counted`].
    pub value: String,
}

/// Counts the users, and keeps the count in the table of settings under a name that no area of the API has.
#[must_use]
pub fn count(now: Second) -> Statement {
    Statement::new(COUNT).bind(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_795_867_200);

    #[test]
    fn a_count_is_told_for_a_minute_and_on_a_large_panel_for_as_long_as_it_may_cost() {
        let counted = |users| Counted { at: NOW, active: users, ..Counted::default() };
        let lasts = |users| (0..1_000_000).find(|second| !counted(users).is_fresh(NOW.plus(*second))).unwrap();
        assert_eq!((lasts(0), lasts(100), lasts(1_000), lasts(10_000)), (60, 60, 345, 3_456));
        assert!(!counted(100).is_fresh(NOW.plus(-1)), "one from the future is of a clock that was set back");
    }

    #[test]
    fn a_run_that_goes_on_has_not_failed() {
        let job = |failures, started, ended: Option<i64>, error: Option<&str>| Job {
            failures,
            started_at: Some(NOW.get() - started),
            ended_at: ended.map(|ended| NOW.get() - ended),
            error: error.map(str::to_owned),
            ..Job::default()
        };
        assert_eq!(job(1, 5, Some(300), None).failures(NOW), 0, "it goes on");
        assert_eq!(job(3, 5, Some(300), None).failures(NOW), 2, "two before it failed");
        assert_eq!(job(1, 5, None, None).failures(NOW), 0, "the first one goes on");
        assert_eq!(job(1, 121, Some(300), None).failures(NOW), 1, "it was cut off");
        assert_eq!(job(1, 5, Some(4), Some("no")).failures(NOW), 1, "it failed");
        assert_eq!(job(0, 5, Some(4), None).failures(NOW), 0);
    }
}
